// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem

/// Pressure stall information: how much of the time work waited for a resource (kernel: accounting/psi).
public struct Pressure: Hashable, Sendable {
    /// One line of a pressure file.
    public struct Share: Hashable, Sendable {
        /// Percent of the last ten seconds.
        public let average10: Double
        /// Percent of the last minute.
        public let average60: Double
        /// Percent of the last five minutes.
        public let average300: Double
        /// In all.
        public let total: Duration
    }

    /// At least one task waited.
    public let some: Share
    /// All tasks waited at the same time; nil for the CPU of a whole machine before Linux 5.13.
    public let full: Share?
}

/// Pressure on the three resources; nil where the kernel does not count it (built without PSI, or booted with psi=0).
public struct Pressures: Hashable, Sendable {
    public let cpu: Pressure?
    public let memory: Pressure?
    public let io: Pressure?

    /// Those of the whole machine, from `/proc/pressure`.
    ///
    /// - Throws: `CgroupError` with code `malformedFile`.
    public static func ofNode() throws -> Pressures {
        func read(_ name: String) throws -> Pressure? {
            let path = "/proc/pressure/" + name
            // An empty text is a file that cannot be read: with psi=0 it can be opened.
            guard let text = ProcFS.text(of: path), !text.isEmpty else { return nil }
            return try Pressure(KernelFile(path: path, text: text))
        }
        return Pressures(cpu: try read("cpu"), memory: try read("memory"), io: try read("io"))
    }

    /// Those of one cgroup.
    init(in files: some ControllerFiles) throws {
        self.init(
            cpu: try files.file("cpu.pressure").map(Pressure.init),
            memory: try files.file("memory.pressure").map(Pressure.init),
            io: try files.file("io.pressure").map(Pressure.init))
    }

    private init(cpu: Pressure?, memory: Pressure?, io: Pressure?) {
        (self.cpu, self.memory, self.io) = (cpu, memory, io)
    }
}

extension Pressure {
    /// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and `full` likewise.
    init(_ file: KernelFile) throws {
        var shares: [Substring: Share] = [:]
        for line in file.text.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard let kind = fields.first, fields.count == 5 else {
                throw file.malformed("'\(line.prefix(60))' is not a line of pressure")
            }
            shares[kind] = Share(
                average10: try Self.percent(fields[1], "avg10", file),
                average60: try Self.percent(fields[2], "avg60", file),
                average300: try Self.percent(fields[3], "avg300", file), total: try Self.total(fields[4], file))
        }
        guard let some = shares["some"] else { throw file.malformed("has no line 'some'") }
        self.init(some: some, full: shares["full"])
    }

    private static func percent(_ field: Substring, _ name: String, _ file: KernelFile) throws -> Double {
        guard field.hasPrefix(name + "="), let value = Double(field.dropFirst(name.count + 1)),
            (0...100).contains(value)
        else { throw file.malformed("has no '\(name)' from 0 to 100") }
        return value
    }

    private static func total(_ field: Substring, _ file: KernelFile) throws -> Duration {
        guard field.hasPrefix("total="), let value = Int64(field.dropFirst(6)), value >= 0 else {
            throw file.malformed("has no 'total'")
        }
        return .microseconds(value)
    }
}
