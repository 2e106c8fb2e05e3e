// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Lets one `paasd` at a time use a home: flock(2) on a file in it, released when the process ends in any way.
public final class HomeLock: Sendable {
    private let descriptor: Int32

    /// Takes the lock.
    ///
    /// - Throws: `StartupError` that names the process which has it.
    public init(path: String, home: String) throws(StartupError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw StartupError("cannot create the lock file \(path): \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            var buffer = [UInt8](repeating: 0, count: 32)
            let count = pread(descriptor, &buffer, buffer.count, 0)
            close(descriptor)
            let holder = String(
                decoding: buffer.prefix(max(0, count)).prefix { (0x30...0x39).contains($0) }, as: UTF8.self)
            let who = holder.isEmpty ? "another paasd" : "another paasd (pid \(holder))"
            throw StartupError("\(who) already uses the home \(home); stop it, or choose another one with --home")
        }
        self.descriptor = descriptor
        let pid = Array("\(getpid())\n".utf8)
        // Only for the message above: a failure costs the pid in it.
        _ = ftruncate(descriptor, 0)
        _ = pwrite(descriptor, pid, pid.count, 0)
    }

    deinit { close(descriptor) }
}
