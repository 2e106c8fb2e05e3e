// SPDX-License-Identifier: Apache-2.0

internal import CLinuxSupport
internal import Glibc

/// A Unix socket whose messages arrive whole and may carry descriptors (SOCK_SEQPACKET and SCM_RIGHTS, unix(7)).
public struct MessageSocket: ~Copyable, Sendable {
    /// One message. Descriptors that came with it and are not taken are closed with it.
    public struct Message: ~Copyable {
        /// Its bytes; empty at the end of the connection.
        public let bytes: [UInt8]
        private var numbers: [Int32]

        fileprivate init(bytes: [UInt8], numbers: [Int32]) {
            self.bytes = bytes
            self.numbers = numbers
        }

        deinit { for number in numbers { close(number) } }

        /// Gives its descriptors, close-on-exec, to the caller.
        public consuming func takeDescriptors() -> [Shared<OwnedDescriptor>] {
            defer { numbers = [] }
            return numbers.map { Shared(OwnedDescriptor(adopting: $0)) }
        }

        /// Gives its only descriptor to the caller; nil when it has none, or several.
        public consuming func takeDescriptor() -> OwnedDescriptor? {
            guard numbers.count == 1 else { return nil }
            defer { numbers = [] }
            return OwnedDescriptor(adopting: numbers[0])
        }
    }

    /// Descriptors that one message may carry.
    public static let maxDescriptors = Int(CLS_MESSAGE_MAX_FDS)

    /// The socket.
    public let descriptor: OwnedDescriptor

    /// Takes over a socket.
    public init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

    /// Listens at a path of any length, for this user alone; what is at the path is removed. Non-blocking.
    ///
    /// - Throws: `SystemError`.
    public static func listen(at path: String) throws(SystemError) -> MessageSocket {
        try MessageSocket(checked(cls_message_listen(path), "listen", path))
    }

    /// Connects to a path of any length.
    ///
    /// - Parameters:
    ///   - path: of the listening socket.
    ///   - waits: the connection blocks, now and when it is used.
    /// - Throws: `SystemError`; ENOENT or ECONNREFUSED when nobody listens; without `waits` EAGAIN when its queue is full.
    public static func connect(to path: String, waits: Bool) throws(SystemError) -> MessageSocket {
        try MessageSocket(checked(cls_message_connect(path, waits ? 0 : 1), "connect", path))
    }

    /// The next connection of a process of this user, non-blocking; nil when there is none.
    ///
    /// - Throws: `SystemError`; EPERM for a process of another user, which is turned away.
    public borrowing func accept() throws(SystemError) -> MessageSocket? {
        let number = cls_message_accept(descriptor.rawValue)
        if number == -EAGAIN { return nil }
        return try MessageSocket(Self.checked(number, "accept4", nil))
    }

    /// Sends one message; the descriptors stay the caller's.
    ///
    /// - Parameters:
    ///   - bytes: the message.
    ///   - descriptors: numbers of open descriptors, at most ``maxDescriptors``.
    /// - Throws: `SystemError`: EAGAIN when a socket that does not wait is not read, EPIPE when the other side is gone.
    public borrowing func send(_ bytes: [UInt8], descriptors: [Int32] = []) throws(SystemError) {
        // The pointer must point to something, also when there are none.
        let numbers = descriptors.isEmpty ? [-1] : descriptors
        let result = bytes.withUnsafeBytes { bytes -> Int32 in
            guard let base = bytes.baseAddress else { return -EINVAL }
            return cls_message_send(descriptor.rawValue, base, bytes.count, numbers, Int32(descriptors.count))
        }
        guard result >= 0 else { throw SystemError(operation: "sendmsg", errno: -result) }
    }

    /// Receives one message of at most `limit` bytes; nil when a socket that does not wait has none now.
    ///
    /// - Parameters:
    ///   - limit: longest message, in bytes.
    ///   - descriptors: how many may come with it.
    /// - Throws: `SystemError`; EMSGSIZE for a longer one, or one with more descriptors.
    public borrowing func receive(
        limit: Int = 65_536, descriptors: Int = MessageSocket.maxDescriptors
    ) throws(SystemError) -> Message? {
        var numbers = [Int32](repeating: -1, count: max(1, descriptors))
        var count = Int32(descriptors)
        var received: Int64 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, filled in
            guard let base = buffer.baseAddress else { return }
            received = cls_message_receive(descriptor.rawValue, base, limit, &numbers, &count)
            filled = Int(max(0, received))
        }
        if received == -Int64(EAGAIN) { return nil }
        guard received >= 0 else { throw SystemError(operation: "recvmsg", errno: Int32(-received)) }
        return Message(bytes: bytes, numbers: Array(numbers[..<Int(count)]))
    }

    private static func checked(
        _ result: Int32, _ operation: String, _ path: String?
    ) throws(SystemError) -> OwnedDescriptor {
        guard result >= 0 else { throw SystemError(operation: operation, path: path, errno: -result) }
        return OwnedDescriptor(adopting: result)
    }
}
