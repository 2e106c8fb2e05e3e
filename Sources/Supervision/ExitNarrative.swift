// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// The one readable sentence of an exit report. Pure.
struct ExitNarrative {
    var report: ExitReport
    /// The stop signal that was sent before the end, if any.
    var stopSignal: StopSignal?
    /// The grace passed and the whole cgroup was killed.
    var graceExpired = false
    var graceSeconds: Double
    /// The run was ended because it did not become ready, or failed its health check: why.
    var unhealthyReason: String?
    /// The kernel counts OOM kills of this run, so a SIGKILL without one came from somewhere else.
    var countsOutOfMemoryKills = true
    /// The shell's own last words, for exit codes 126 and 127.
    var lastErrorLine: String?

    var sentence: String {
        let uptime = Duration.milliseconds(report.uptimeMs).shortText
        if let failure = report.startFailure { return "could not be started: \(failure)" }
        if report.oomKilled { return "out of memory\(memoryFigures), after \(uptime)" }
        if let unhealthyReason { return "\(unhealthyReason), and was \(endOfUnhealthy) after \(uptime)" }
        if graceExpired, let stopSignal {
            let grace = Duration.seconds(graceSeconds).shortText
            return "did not end within \(grace) of \(stopSignal.rawValue) and was killed"
        }
        if report.requested, let stopSignal {
            return "ended as asked by \(stopSignal.rawValue), \(how), after \(uptime)"
        }
        return "\(how) after \(uptime)"
    }

    /// `killed (python3 waited in futex_wait_queue; 4 threads; 5 connections waited to be accepted)`.
    private var endOfUnhealthy: String {
        guard let hang = report.hang else { return "ended" }
        var facts: [String] = []
        // A shell that waits for its child says nothing.
        if let thread = hang.threads.first(where: { $0.waitsIn != "do_wait" }) ?? hang.threads.first {
            let place = thread.waitsIn.map { "waited in \($0)" } ?? (thread.state == "R" ? "was busy" : "stood still")
            facts.append("\(thread.name) \(place)")
        }
        if hang.threadCount > 1 { facts.append("\(hang.threadCount) threads") }
        if let listening = hang.sockets.first(where: { $0.state == "LISTEN" }), listening.waiting > 0 {
            let one = listening.waiting == 1
            facts.append("\(listening.waiting) connection\(one ? "" : "s") waited to be accepted")
        }
        return facts.isEmpty ? "killed" : "killed (\(facts.joined(separator: "; ")))"
    }

    /// `: 256.0 of 256.0 MiB, limit first met 4 s before`.
    private var memoryFigures: String {
        guard let peak = report.peakMemoryBytes else { return "" }
        guard let limit = report.memoryLimitBytes else { return ": peak \(ByteCount(bytes: peak))" }
        let figures = Self.share(ByteCount(bytes: peak), of: ByteCount(bytes: limit))
        guard let reached = report.memoryLimitReachedAt else { return ": \(figures)" }
        let before = Duration.seconds(max(0, reached.seconds(until: report.at))).shortText
        return ": \(figures), limit first met \(before) before"
    }

    /// `256.0 of 256.0 MiB`, and with two units `900.0 KiB of 1.0 GiB`.
    private static func share(_ part: ByteCount, of whole: ByteCount) -> String {
        let (part, whole) = ("\(part)", "\(whole)")
        guard let unit = whole.split(separator: " ").last, part.hasSuffix(" \(unit)") else {
            return "\(part) of \(whole)"
        }
        return "\(part.dropLast(unit.count + 1)) of \(whole)"
    }

    private var how: String {
        if let code = report.code {
            switch code {
            case 127: return "exited with code 127 (command not found\(quotedErrorLine))"
            case 126: return "exited with code 126 (command cannot be executed\(quotedErrorLine))"
            default: return "exited with code \(code)"
            }
        }
        guard let signal = report.signal else { return "ended, the kernel could not tell how" }
        let meaning = meaning(of: signal).map { " (\($0))" } ?? ""
        return "killed by \(signal)\(meaning)\(report.coreDumped ? ", core dumped," : "")"
    }

    private var quotedErrorLine: String {
        lastErrorLine.map { ": \($0)" } ?? ""
    }

    private func meaning(of signal: String) -> String? {
        guard signal == "SIGKILL" else { return Self.meanings[signal] }
        return countsOutOfMemoryKills
            ? "from outside, not for lack of memory"
            : "from outside, or for lack of memory: this node does not count that"
    }

    private static let meanings = [
        "SIGSEGV": "invalid memory access", "SIGABRT": "abort", "SIGBUS": "bus error",
        "SIGFPE": "arithmetic error", "SIGILL": "illegal instruction", "SIGSYS": "forbidden system call",
        "SIGTERM": "termination", "SIGPIPE": "broken pipe",
    ]
}

/// Names of signals, `SIGKILL` for 9, as signal(7) numbers them on Linux.
enum SignalName {
    private static let names: [Int32: String] = [
        1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
        9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
        16: "SIGSTKFLT", 17: "SIGCHLD", 18: "SIGCONT", 19: "SIGSTOP", 20: "SIGTSTP", 21: "SIGTTIN", 22: "SIGTTOU",
        23: "SIGURG", 24: "SIGXCPU", 25: "SIGXFSZ", 26: "SIGVTALRM", 27: "SIGPROF", 28: "SIGWINCH", 29: "SIGIO",
        30: "SIGPWR", 31: "SIGSYS",
    ]

    /// The name, or `signal 34` for a real-time signal.
    static func name(of number: Int32) -> String { names[number] ?? "signal \(number)" }

    /// The number of a stop signal.
    static func number(of signal: StopSignal) -> Int32 {
        names.first { $0.value == signal.rawValue }?.key ?? 15
    }
}
