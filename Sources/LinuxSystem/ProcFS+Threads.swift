// SPDX-License-Identifier: Apache-2.0

internal import Glibc

extension ProcFS {
    /// What one thread is doing.
    public struct ThreadState: Hashable, Sendable {
        /// Thread id.
        public let tid: Int32
        /// `/proc/<tid>/comm`.
        public let name: String
        /// One letter, proc_pid_stat(5).
        public let state: String
        /// Kernel function that it waits in (`wchan`); nil when it does not wait, or the kernel does not say.
        public let waitsIn: String?
        /// Number of its system call (`syscall`); nil when it is in none, or we may not know.
        public let systemCall: Int?
    }

    /// The threads of a process, lowest number first. Empty when it is gone.
    public static func threads(of pid: Int32) -> [ThreadState] {
        names(inDirectory: "/proc/\(pid)/task").compactMap { Int32($0) }.sorted().compactMap { tid in
            let directory = "/proc/\(pid)/task/\(tid)"
            guard let stat = text(of: directory + "/stat"), let state = state(inStat: stat) else { return nil }
            let place = text(of: directory + "/wchan").map(trimmed)
            let call = text(of: directory + "/syscall").flatMap { Int($0.prefix { $0 != " " && $0 != "\n" }) }
            return ThreadState(
                tid: tid, name: text(of: directory + "/comm").map(trimmed) ?? "", state: state,
                waitsIn: place == "0" || place?.isEmpty == true ? nil : place,
                systemCall: call.flatMap { $0 < 0 ? nil : $0 })
        }
    }

    /// Field 3 of a `stat` line, after the name in parentheses, which may contain anything.
    static func state(inStat line: String) -> String? {
        guard let close = line.lastIndex(of: ")") else { return nil }
        return line[line.index(after: close)...].split(separator: " ", maxSplits: 1).first.map(String.init)
    }

    /// Sets the preference of the kernel's OOM killer for a process (proc_pid_oom_score_adj(5)); -1000 exempts it.
    ///
    /// - Parameters:
    ///   - pid: a process that cannot have ended and made its number free, such as a child not waited for.
    ///   - value: -1000 to 1000.
    /// - Throws: `SystemError`, EACCES without CAP_SYS_RESOURCE when it is lowered.
    public static func setOutOfMemoryScoreAdjustment(of pid: Int32, to value: Int) throws(SystemError) {
        let path = "/proc/\(pid)/oom_score_adj"
        let file = try OwnedDescriptor.open(path, O_WRONLY)
        do {
            try file.writeAll(Array("\(value)".utf8))
        } catch {
            throw SystemError(operation: "write", path: path, errno: error.errno)
        }
    }
}
