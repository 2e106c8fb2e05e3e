// SPDX-License-Identifier: Apache-2.0

internal import CLinuxSupport
internal import Glibc

/// One process, held by its pidfd: it can be signalled and waited for without ever meeting a stranger that got the
/// same number.
public struct ProcessHandle: ~Copyable, Sendable {
    /// How a process ended, as wait(2) tells it.
    public enum ExitStatus: Hashable, Sendable {
        /// It called exit with this code.
        case exited(code: Int32)
        /// This signal ended it.
        case signaled(signal: Int32, coreDumped: Bool)
        /// It is gone, and the kernel cannot tell how: never replaced by a made-up status.
        case unknown
    }

    /// The process id in the caller's pid namespace.
    public let pid: Int32
    /// Readable once the process has ended.
    public let pidfd: OwnedDescriptor

    /// Takes over a pidfd.
    public init(pid: Int32, pidfd: consuming OwnedDescriptor) {
        self.pid = pid
        self.pidfd = pidfd
    }

    /// Opens a process that is not necessarily our child (pidfd_open(2)).
    ///
    /// The caller checks ``ProcessIdentity`` *after* this call: only then is the number tied to that process.
    ///
    /// - Throws: `SystemError`, with ESRCH when there is none.
    public init(opening pid: Int32) throws(SystemError) {
        let descriptor = cls_pidfd_open(pid)
        guard descriptor >= 0 else { throw SystemError(operation: "pidfd_open", path: "\(pid)", errno: -descriptor) }
        self.init(pid: pid, pidfd: OwnedDescriptor(adopting: descriptor))
    }

    /// Sends a signal.
    ///
    /// - Returns: false when the process has ended already.
    /// - Throws: `SystemError` for anything but ESRCH.
    @discardableResult
    public borrowing func send(signal: Int32) throws(SystemError) -> Bool {
        let result = cls_pidfd_send_signal(pidfd.rawValue, signal)
        if result == -ESRCH { return false }
        guard result >= 0 else { throw SystemError(operation: "pidfd_send_signal", path: "\(pid)", errno: -result) }
        return true
    }

    /// Collects the status without blocking; nil while the process runs.
    ///
    /// Works for a child by waitid(2) and for an adopted process by PIDFD_GET_INFO (Linux 6.15), otherwise
    /// `.unknown`. Call it once the pidfd is readable.
    ///
    /// - Throws: `SystemError`.
    public borrowing func exitStatus() throws(SystemError) -> ExitStatus? {
        var status = cls_exit_status()
        let result = cls_pidfd_wait(pidfd.rawValue, &status)
        switch result {
        case 0: return nil
        case 1:
            switch status.code {
            case Int32(CLD_EXITED): return .exited(code: status.status)
            case Int32(CLD_KILLED): return .signaled(signal: status.status, coreDumped: false)
            case Int32(CLD_DUMPED): return .signaled(signal: status.status, coreDumped: true)
            default: return .unknown
            }
        case -ECHILD: return adoptedExitStatus()
        default: throw SystemError(operation: "waitid(P_PIDFD)", path: "\(pid)", errno: -result)
        }
    }

    private borrowing func adoptedExitStatus() -> ExitStatus {
        var encoded: Int32 = 0
        guard cls_pidfd_exit_info(pidfd.rawValue, &encoded) == 1 else { return .unknown }
        let signal = encoded & 0x7F
        if signal == 0 { return .exited(code: encoded >> 8 & 0xFF) }
        return .signaled(signal: signal, coreDumped: encoded & 0x80 != 0)
    }
}
