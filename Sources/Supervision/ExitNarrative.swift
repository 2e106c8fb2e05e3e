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
    var memoryLimitBytes: Int64?
    /// The shell's own last words, for exit codes 126 and 127.
    var lastErrorLine: String?

    var sentence: String {
        let uptime = Duration.milliseconds(report.uptimeMs).shortText
        if let failure = report.startFailure { return "could not be started: \(failure)" }
        if report.oomKilled { return "out of memory\(memoryFigures), after \(uptime)" }
        if let unhealthyReason { return "\(unhealthyReason), and was ended after \(uptime)" }
        if graceExpired, let stopSignal {
            let grace = Duration.seconds(graceSeconds).shortText
            return "did not end within \(grace) of \(stopSignal.rawValue) and was killed"
        }
        if report.requested, let stopSignal {
            return "ended as asked by \(stopSignal.rawValue), \(how), after \(uptime)"
        }
        return "\(how) after \(uptime)"
    }

    private var memoryFigures: String {
        guard let peak = report.peakMemoryBytes else { return "" }
        guard let limit = memoryLimitBytes else { return ": peak \(ByteCount(bytes: peak))" }
        return ": \(ByteCount(bytes: peak)) of \(ByteCount(bytes: limit))"
    }

    private var how: String {
        if let code = report.code {
            switch code {
            case 127: return "exited with code 127 (command not found\(quotedErrorLine))"
            case 126: return "exited with code 126 (command cannot be executed\(quotedErrorLine))"
            default: return "exited with code \(code)"
            }
        }
        guard let signal = report.signal else { return "ended, and the kernel could not tell how," }
        let meaning = Self.meanings[signal].map { " (\($0))" } ?? ""
        return "killed by \(signal)\(meaning)\(report.coreDumped ? ", core dumped," : "")"
    }

    private var quotedErrorLine: String {
        lastErrorLine.map { ": \($0)" } ?? ""
    }

    private static let meanings = [
        "SIGSEGV": "invalid memory access", "SIGABRT": "abort", "SIGBUS": "bus error",
        "SIGFPE": "arithmetic error", "SIGILL": "illegal instruction", "SIGSYS": "forbidden system call",
        "SIGKILL": "from outside, not for lack of memory", "SIGTERM": "termination", "SIGPIPE": "broken pipe",
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
