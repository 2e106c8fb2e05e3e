// SPDX-License-Identifier: Apache-2.0

/// The `io` controller: traffic with block devices, page cache misses and write-back included.
enum IOController {
    static let name = "io"

    /// `io.max` of each disk; `max` where there is no limit.
    static func apply(_ rates: IORates, to cgroup: CgroupDirectory, replacing: Bool, disks: () -> [Disk]) throws {
        guard rates != IORates() || (replacing && cgroup.has("io.max")) else { return }
        for disk in disks() { try cgroup.write("io.max", maximum(rates, of: disk)) }
    }

    static func maximum(_ rates: IORates, of disk: Disk) -> String {
        func text(_ value: (some BinaryInteger)?) -> String { value.map { "\($0)" } ?? "max" }
        return
            "\(disk.number) rbps=\(text(rates.readBytes)) wbps=\(text(rates.writtenBytes)) "
            + "riops=\(text(rates.reads)) wiops=\(text(rates.writes))"
    }

    /// Why `io.weight` has no effect here; nil when it has.
    ///
    /// - Parameter qos: contents of the root cgroup's `io.cost.qos`, nil when there is none.
    static func weightObstacle(qos: String?) -> String? {
        guard let qos else { return "its kernel, or the cgroup namespace it runs in, has no io.cost.qos" }
        if qos.contains("enable=1") { return nil }
        return "the kernel weighs no disk; switch that on with: echo 'MAJ:MIN enable=1' > /sys/fs/cgroup/io.cost.qos"
    }

    static func statistics(in files: some ControllerFiles) throws -> IOStatistics? {
        guard let file = try files.file("io.stat") else { return nil }
        return try statistics(file)
    }

    /// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`, a line for each device, summed.
    static func statistics(_ file: KernelFile) throws -> IOStatistics {
        var total = IOStatistics(readBytes: 0, writtenBytes: 0, reads: 0, writes: 0)
        for line in file.text.split(separator: "\n") {
            var values: [Substring: Int64] = [:]
            let fields = line.split(separator: " ")
            guard let device = fields.first, isDevice(device) else {
                throw file.malformed("'\(line.prefix(40))' does not begin with a device")
            }
            for field in fields.dropFirst() {
                let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard parts.count == 2, !parts[0].isEmpty else {
                    throw file.malformed("'\(field.prefix(40))' is not a name and a value")
                }
                // Other policies add values of their own, such as cost.usage; not all of those are whole numbers.
                values[parts[0]] = Int64(parts[1])
            }
            // A device that the run has not used yet has no values at all, or only those of other policies.
            let names: [Substring] = ["rbytes", "wbytes", "rios", "wios"]
            guard fields.dropFirst().contains(where: { field in names.contains { field.hasPrefix($0 + "=") } }) else {
                continue
            }
            func number(_ key: Substring) throws -> Int64 {
                guard let value = values[key], value >= 0 else { throw file.malformed("\(device) has no '\(key)'") }
                return value
            }
            total.readBytes += try number("rbytes")
            total.writtenBytes += try number("wbytes")
            total.reads += try number("rios")
            total.writes += try number("wios")
        }
        return total
    }

    private static func isDevice(_ text: Substring) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 2 && parts.allSatisfy { UInt32($0) != nil }
    }
}

/// Traffic of a run with all block devices since its start (kernel: cgroup-v2, "io.stat").
public struct IOStatistics: Hashable, Sendable {
    /// Bytes read.
    public internal(set) var readBytes: Int64
    /// Bytes written.
    public internal(set) var writtenBytes: Int64
    /// Read requests.
    public internal(set) var reads: Int64
    /// Write requests.
    public internal(set) var writes: Int64
}
