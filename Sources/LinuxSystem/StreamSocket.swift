// SPDX-License-Identifier: Apache-2.0

internal import CLinuxSupport
internal import Glibc

/// A non-blocking stream socket, the object's own: closed by ``close()``, or with the object.
///
/// A class, because its end is an act with a time and not the end of a scope. No call blocks. Not thread-safe.
public final class StreamSocket {
    /// What became of an attempt to move bytes.
    public enum Transfer: Sendable {
        /// So many were moved; 0 when reading: the peer has sent its end.
        case bytes(Int)
        /// None now.
        case wouldBlock
        /// The connection is broken; errno(3).
        case failed(Int32)
    }

    /// What became of an attempt to accept a connection.
    public enum Accepted {
        /// A connection from this numeric address.
        case connection(StreamSocket, address: String)
        /// None waits.
        case none
        /// One was lost before it was accepted; there may be others.
        case lost
        /// The next attempt would fail too: this process or the machine has no room for a connection now (EMFILE, ENFILE,
        /// ENOBUFS, ENOMEM), or the socket is not one to accept from.
        case failed(SystemError)
    }

    let number: Int32
    private var isOpen = true

    /// Takes over a socket, and makes it non-blocking.
    public init(adopting descriptor: consuming OwnedDescriptor) {
        number = descriptor.relinquish()
        _ = fcntl(number, F_SETFL, fcntl(number, F_GETFL) | O_NONBLOCK)
    }

    private init(number: Int32) { self.number = number }

    deinit { close() }

    /// Closes the socket; bytes that the kernel has not sent yet it still sends, unless ``resetOnClose()`` came before.
    public func close() {
        guard isOpen else { return }
        isOpen = false
        _ = Glibc.close(number)
    }

    // MARK: Connections

    /// Accepts a connection (accept4(2)) from a non-blocking listening socket.
    public static func accept(from listener: borrowing OwnedDescriptor) -> Accepted {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let number = cls_accept(listener.rawValue, &storage, &size)
        guard number < 0 else {
            return .connection(StreamSocket(number: number), address: ListeningSocket.text(of: storage)?.host ?? "")
        }
        switch -number {
        case EAGAIN: return .none
        // Those of accept(2) that are the connection's own.
        case ECONNABORTED, EINTR, EPERM, EPROTO, ETIMEDOUT, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH,
            EOPNOTSUPP, ENETUNREACH:
            return .lost
        default: return .failed(SystemError(operation: "accept", errno: -number))
        }
    }

    /// Begins a TCP connection (connect(2)) to the address in a `sockaddr`; it is writable once that has come about or
    /// failed, which ``takeError()`` tells.
    ///
    /// - Throws: `SystemError`, also when the kernel refuses at once.
    public static func connect(to address: UnsafeRawBufferPointer) throws(SystemError) -> StreamSocket {
        guard address.count >= MemoryLayout<sockaddr_in>.size, let base = address.baseAddress else {
            throw SystemError(operation: "connect", errno: EINVAL)
        }
        let family = Int32(base.loadUnaligned(as: sa_family_t.self))
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let number = socket(family, type, 0)
        guard number >= 0 else { throw SystemError(operation: "socket", errno: errno) }
        let result = StreamSocket(number: number)
        guard
            Glibc.connect(number, base.assumingMemoryBound(to: sockaddr.self), socklen_t(address.count)) == 0
                || errno == EINPROGRESS
        else { throw SystemError(operation: "connect", errno: errno) }
        return result
    }

    /// What went wrong with the socket since somebody asked (SO_ERROR); 0 for nothing.
    public func takeError() -> Int32 {
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(number, SOL_SOCKET, SO_ERROR, &value, &size) == 0 ? value : errno
    }

    // MARK: Options

    /// Small pieces are sent at once (TCP_NODELAY).
    public func sendWithoutDelay() { set(Int32(IPPROTO_TCP), TCP_NODELAY, 1) }

    /// A peer that is gone without a word is noticed some time (SO_KEEPALIVE).
    public func keepAlive() { set(SOL_SOCKET, SO_KEEPALIVE, 1) }

    /// What the kernel takes before it has sent it (TCP_NOTSENT_LOWAT of linux/tcp.h).
    public func limitUnsent(bytes: Int32) { set(Int32(IPPROTO_TCP), 25, bytes) }

    /// Makes the close a reset (RST) instead of an orderly end: SO_LINGER on, with a time of 0 (socket(7)).
    public func resetOnClose() {
        var value = linger(l_onoff: 1, l_linger: 0)
        _ = setsockopt(number, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
    }

    private func set(_ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        _ = setsockopt(number, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    // MARK: Bytes

    /// Reads what is there (recv(2)), at most as much as the buffer takes.
    public func receive(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        while true {
            let count = recv(number, buffer.baseAddress, buffer.count, 0)
            if count >= 0 { return .bytes(count) }
            if errno != EINTR { return Self.failure }
        }
    }

    /// Writes as much as the kernel takes (send(2)).
    public func send(_ bytes: UnsafeRawBufferPointer) -> Transfer {
        while true {
            let count = Glibc.send(number, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            if count >= 0 { return .bytes(count) }
            if errno != EINTR { return Self.failure }
        }
    }

    /// Writes as much as the kernel takes of two pieces, one behind the other (sendmsg(2)).
    public func send(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> Transfer {
        var pieces = (
            iovec(iov_base: UnsafeMutableRawPointer(mutating: first.baseAddress), iov_len: first.count),
            iovec(iov_base: UnsafeMutableRawPointer(mutating: second.baseAddress), iov_len: second.count)
        )
        return withUnsafeMutablePointer(to: &pieces) { pointer in
            pointer.withMemoryRebound(to: iovec.self, capacity: 2) { vector in
                var message = msghdr()
                message.msg_iov = vector
                message.msg_iovlen = 2
                while true {
                    let count = sendmsg(number, &message, Int32(MSG_NOSIGNAL))
                    if count >= 0 { return .bytes(count) }
                    if errno != EINTR { return Self.failure }
                }
            }
        }
    }

    /// Sends the end of the stream behind everything that was written (shutdown(2)); reading goes on.
    public func finishOutput() { _ = shutdown(number, Int32(SHUT_WR)) }

    private static var failure: Transfer { errno == EAGAIN ? .wouldBlock : .failed(errno) }
}
