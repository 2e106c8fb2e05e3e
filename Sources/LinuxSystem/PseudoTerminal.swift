// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A terminal without a device behind it, pty(7): what is written to one side is read from the other. Both sides are
/// close-on-exec.
public struct PseudoTerminal: ~Copyable, Sendable {
    /// The side of whoever shows the terminal. Reading fails with EIO once nobody has the other side open.
    public let master: OwnedDescriptor
    /// The side of the programs in it.
    public let slave: OwnedDescriptor

    /// Opens a terminal.
    ///
    /// - Parameters:
    ///   - columns: width in characters.
    ///   - rows: height in lines.
    ///   - owner: user that may open the other side again, by `/dev/stdin` or `/proc/self/fd/0`.
    /// - Throws: `SystemError`; ENOSPC when there are as many as the machine allows (`kernel.pty.max`).
    public init(columns: UInt16, rows: UInt16, owner: UInt32) throws(SystemError) {
        let master = try OwnedDescriptor.open("/dev/ptmx", O_RDWR | O_NOCTTY)
        let number = master.rawValue
        var isLocked: CInt = 0
        guard ioctl(number, Self.setLock, &isLocked) == 0 else {
            throw SystemError(operation: "ioctl(TIOCSPTLCK)", errno: errno)
        }
        // By the master and not by a name: /dev/pts may be another one than the master's (ioctl_tty(2)).
        let peer = ioctl(number, Self.openPeer, O_RDWR | O_NOCTTY | O_CLOEXEC)
        guard peer >= 0 else { throw SystemError(operation: "ioctl(TIOCGPTPEER)", errno: errno) }
        let slave = OwnedDescriptor(adopting: peer)
        guard fchown(peer, owner, owner) == 0 else {
            throw SystemError(operation: "fchown", path: "a pty", errno: errno)
        }
        try Self.resize(number, columns: columns, rows: rows)
        self.master = master
        self.slave = slave
    }

    // TIOCSPTLCK and TIOCGPTPEER, macros that Swift does not see.
    private static let setLock: UInt = 0x4004_5431
    private static let openPeer: UInt = 0x5441

    /// Changes the size; the programs in the terminal get SIGWINCH.
    ///
    /// - Parameters:
    ///   - master: number of a master's descriptor.
    ///   - columns: width in characters.
    ///   - rows: height in lines.
    /// - Throws: `SystemError`.
    public static func resize(_ master: Int32, columns: UInt16, rows: UInt16) throws(SystemError) {
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        guard ioctl(master, UInt(TIOCSWINSZ), &size) == 0 else {
            throw SystemError(operation: "ioctl(TIOCSWINSZ)", errno: errno)
        }
    }
}
