// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// The figures of an exit report, in lines for people. What nobody counted is not shown.
struct ExitDetails {
    let report: ExitReport

    var lines: [String] {
        [usage, pressure].filter { !$0.isEmpty }.map { $0.joined(separator: ", ") } + hang
    }

    private var usage: [String] {
        var parts: [String] = []
        if let peak = report.peakMemoryBytes { parts.append("memory peak \(ByteCount(bytes: peak))") }
        if report.startFailure == nil { parts.append("cpu \(Duration.milliseconds(report.cpuMs).shortText)") }
        if let throttled = report.throttledMs, throttled > 0 {
            parts.append("held back by its cpu limit for \(Duration.milliseconds(throttled).shortText)")
        }
        if let peak = report.pidsPeak { parts.append("\(peak) process\(peak == 1 ? "" : "es") at most") }
        if report.coreDumped { parts.append("core dumped") }
        return parts
    }

    /// Only what is worth a look: a run that never waited has no line.
    private var pressure: [String] {
        guard let pressure = report.pressure else { return [] }
        let shares = [
            ("cpu", pressure.cpuSome), ("memory", pressure.memorySome), ("memory, all of it", pressure.memoryFull),
            ("disk", pressure.ioSome), ("disk, all of it", pressure.ioFull),
        ].compactMap { name, share in share.flatMap { $0 >= 1 ? "\(name) \(Int($0.rounded())) %" : nil } }
        return shares.isEmpty ? [] : ["waited in its last 10 s for " + shares.joined(separator: ", ")]
    }

    private var hang: [String] {
        guard let hang = report.hang else { return [] }
        var lines = hang.threads.map { thread in
            let place = thread.waitsIn.map { " in \($0)" } ?? ""
            let call = thread.systemCall.map { ", system call \($0)" } ?? ""
            return "thread \(thread.tid) \(thread.name): \(thread.state)\(place)\(call)"
        }
        if hang.threadCount > hang.threads.count {
            lines.append("and \(hang.threadCount - hang.threads.count) more threads")
        }
        lines += hang.sockets.map { sockets in
            let waiting =
                sockets.waiting == 0
                ? ""
                : sockets.state == "LISTEN"
                    ? ", \(sockets.waiting) to be accepted" : ", \(sockets.waiting) bytes unread"
            return "sockets \(sockets.state): \(sockets.count)\(waiting)"
        }
        return lines
    }
}
