// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Standard output or standard error, written without a buffer.
struct OutputStream: Sendable {
    /// Standard output.
    static let standard = OutputStream(descriptor: STDOUT_FILENO)
    /// Standard error.
    static let error = OutputStream(descriptor: STDERR_FILENO)

    private let descriptor: CInt

    private init(descriptor: CInt) { self.descriptor = descriptor }

    /// It is a terminal.
    var isTerminal: Bool { isatty(descriptor) == 1 }

    /// Columns and lines of the terminal; nil when it is none or does not say.
    var size: (columns: UInt16, lines: UInt16)? {
        var size = winsize()
        guard isTerminal, ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return nil
        }
        return (size.ws_col, size.ws_row)
    }

    /// Columns of the terminal; nil when it is none or does not say.
    var columns: Int? {
        var size = winsize()
        guard isTerminal, ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }

    /// Writes text. When nobody reads standard output any more, the process ends as a SIGPIPE ends it: quietly.
    func write(_ text: String) { write(Array(text.utf8)) }

    /// Writes bytes, as ``write(_:)-(String)`` does.
    func write(_ bytes: [UInt8]) {
        var bytes = bytes[...]
        while !bytes.isEmpty {
            let (count, code) = bytes.withUnsafeBufferPointer { space in
                let count = Glibc.write(descriptor, space.baseAddress, space.count)
                return (count, errno)
            }
            if count >= 0 {
                bytes = bytes.dropFirst(count)
            } else if code == EPIPE, descriptor == STDOUT_FILENO {
                signal(SIGPIPE, SIG_DFL)
                raise(SIGPIPE)
            } else if code == EAGAIN {
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&waiting, 1, -1)
            } else if code != EINTR {
                // Nowhere is left to say that the output is gone (a full disk, a closed descriptor).
                if descriptor == STDOUT_FILENO { exit(1) }
                return
            }
        }
    }
}
