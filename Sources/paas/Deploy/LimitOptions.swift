// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSModel

/// The limits that `paas deploy` can be given; `none` takes one away. When nothing else changes they are put in force
/// without a restart.
struct LimitOptions: ParsableArguments {
    /// What an option says.
    enum Choice<Value: Sendable>: Sendable {
        case set(Value)
        case none

        var value: Value? { if case .set(let value) = self { value } else { nil } }
    }

    @Option(help: ArgumentHelp("Memory limit, such as 256M.", valueName: "size"), transform: bytes)
    var memory: Choice<Int64>?

    @Option(
        help: ArgumentHelp(
            "Memory above which it is slowed down and reclaimed from, before the limit ends it.", valueName: "size"),
        transform: bytes)
    var memoryHigh: Choice<Int64>?

    @Option(help: ArgumentHelp("CPU limit in cores, such as 0.5.", valueName: "cores"), transform: cores)
    var cpu: Choice<Double>?

    @Option(
        help: ArgumentHelp("Cores above --cpu for 100 ms, out of time left unused before.", valueName: "cores"),
        transform: cores)
    var cpuBurst: Choice<Double>?

    @Option(
        help: ArgumentHelp("Share of the CPU while apps compete for it, 1 to 10000 (100).", valueName: "weight"),
        transform: count)
    var cpuWeight: Choice<Int>?

    @Option(
        help: ArgumentHelp("Limit of processes and threads, such as 64.", valueName: "count"), transform: count)
    var pids: Choice<Int>?

    @Option(
        help: ArgumentHelp("Share of the disks while apps compete for them, 1 to 10000 (100).", valueName: "weight"),
        transform: count)
    var ioWeight: Choice<Int>?

    @Option(
        help: ArgumentHelp("Bytes a second read from each disk, such as 10M.", valueName: "size"), transform: bytes)
    var ioReadBps: Choice<Int64>?

    @Option(
        help: ArgumentHelp("Bytes a second written to each disk, such as 10M.", valueName: "size"), transform: bytes)
    var ioWriteBps: Choice<Int64>?

    @Option(help: ArgumentHelp("Read requests a second to each disk.", valueName: "count"), transform: count)
    var ioReadIops: Choice<Int>?

    @Option(help: ArgumentHelp("Write requests a second to each disk.", valueName: "count"), transform: count)
    var ioWriteIops: Choice<Int>?

    @Option(
        help: ArgumentHelp("Size of /data, such as 1G. Every limit also takes 'none'.", valueName: "size"),
        transform: bytes)
    var disk: Choice<Int64>?

    /// What was given.
    var limits: Limits {
        var limits = Limits(
            memoryBytes: memory?.value, cpu: cpu?.value, pids: pids?.value, diskBytes: disk?.value)
        limits.memoryHighBytes = memoryHigh?.value
        limits.cpuBurst = cpuBurst?.value
        limits.cpuWeight = cpuWeight?.value
        limits.ioWeight = ioWeight?.value
        limits.ioReadBytesPerSecond = ioReadBps?.value
        limits.ioWriteBytesPerSecond = ioWriteBps?.value
        limits.ioReadsPerSecond = ioReadIops?.value
        limits.ioWritesPerSecond = ioWriteIops?.value
        return limits
    }

    /// What was given as `none`.
    var cleared: [Limits.Field] {
        func isNone<Value>(_ choice: Choice<Value>?) -> Bool { choice.map { $0.value == nil } ?? false }
        let given = [
            "memory": isNone(memory), "memory-high": isNone(memoryHigh), "cpu": isNone(cpu),
            "cpu-burst": isNone(cpuBurst), "cpu-weight": isNone(cpuWeight), "pids": isNone(pids),
            "io-weight": isNone(ioWeight), "io-read-bps": isNone(ioReadBps), "io-write-bps": isNone(ioWriteBps),
            "io-read-iops": isNone(ioReadIops), "io-write-iops": isNone(ioWriteIops), "disk": isNone(disk),
        ]
        return Limits.fields.filter { given[$0.option] == true }
    }

    private static func bytes(_ text: String) throws -> Choice<Int64> {
        text == "none" ? .none : .set(try OptionText.bytes(text))
    }

    private static func cores(_ text: String) throws -> Choice<Double> {
        if text == "none" { return .none }
        guard let cores = Double(text) else {
            throw ArgumentParser.ValidationError("write a number of cores such as 0.5.")
        }
        return .set(cores)
    }

    private static func count(_ text: String) throws -> Choice<Int> {
        if text == "none" { return .none }
        guard let count = Int(text) else { throw ArgumentParser.ValidationError("write a whole number.") }
        return .set(count)
    }
}
