// SPDX-License-Identifier: Apache-2.0

internal import CLinuxSupport
internal import Glibc

/// The readiness of many stream sockets (epoll(7)), and a way to end the wait for it from other threads.
///
/// A socket is registered once, edge-triggered, for everything that can happen to it; an event is the number that it was
/// registered under, not a closure. For loops that work on sockets and nothing else; ``EventLoop`` is for all the rest.
///
/// Concurrency proof for `@unchecked Sendable`: the descriptors never change, and `events` is used by the one thread that
/// waits.
public final class Epoll: @unchecked Sendable {
    /// What has happened to a socket since it was last told.
    public struct Readiness: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// Bytes can be read, or a connection be accepted (EPOLLIN).
        public static let readable = Readiness(rawValue: 0x001)
        /// Bytes can be written, or a connection has come about or failed (EPOLLOUT).
        public static let writable = Readiness(rawValue: 0x004)
        /// The connection is broken (EPOLLERR).
        public static let failed = Readiness(rawValue: 0x008)
        /// The peer has sent its end (EPOLLRDHUP), or both directions have ended (EPOLLHUP).
        public static let ended = Readiness(rawValue: 0x2010)
    }

    /// The number of the event that ``wakeUp()`` causes; not to be used for a socket.
    public static let wakeUpID = UInt64.max
    private static let batch = 64
    private static let edgeTriggered: UInt32 = 1 << 31

    private let epoll: OwnedDescriptor
    private let counter: OwnedDescriptor
    private let events: UnsafeMutablePointer<cls_epoll_event>

    /// Creates the two descriptors.
    ///
    /// - Throws: `SystemError` (EMFILE, ENOMEM).
    public init() throws(SystemError) {
        let epoll = cls_epoll_create()
        guard epoll >= 0 else { throw SystemError(operation: "epoll_create1", errno: -epoll) }
        self.epoll = OwnedDescriptor(adopting: epoll)
        let counter = cls_eventfd()
        guard counter >= 0 else { throw SystemError(operation: "eventfd", errno: -counter) }
        self.counter = OwnedDescriptor(adopting: counter)
        events = .allocate(capacity: Self.batch)
        try add(counter, Readiness.readable.rawValue, Self.wakeUpID)
    }

    deinit { events.deallocate() }

    private func add(_ number: Int32, _ interest: UInt32, _ id: UInt64) throws(SystemError) {
        let result = cls_epoll_add(epoll.rawValue, number, interest, id)
        guard result >= 0 else { throw SystemError(operation: "epoll_ctl", errno: -result) }
    }

    /// Tells of everything that happens to a socket from now on, once for each change, until it is closed. A copy of the
    /// descriptor that lives longer keeps the registration: a number must not be given again.
    ///
    /// - Throws: `SystemError` from epoll_ctl(2).
    public func add(_ socket: StreamSocket, id: UInt64) throws(SystemError) {
        let all: Readiness = [.readable, .writable, Readiness(rawValue: 0x2000)]
        try add(socket.number, all.rawValue | Self.edgeTriggered, id)
    }

    /// Tells of a listening socket as long as connections wait to be accepted (level-triggered), until it is removed.
    ///
    /// - Throws: `SystemError` from epoll_ctl(2).
    public func add(listener: borrowing OwnedDescriptor, id: UInt64) throws(SystemError) {
        try add(listener.rawValue, Readiness.readable.rawValue, id)
    }

    /// Tells nothing of a listening socket any more.
    public func remove(listener: borrowing OwnedDescriptor) {
        _ = cls_epoll_delete(epoll.rawValue, listener.rawValue)
    }

    /// Blocks until something happens, the time is over, or somebody calls ``wakeUp()``.
    ///
    /// - Parameter milliseconds: -1 for no limit, 0 to only look.
    /// - Returns: how many events there are to be asked for by ``event(_:)``.
    /// - Throws: `SystemError`, which only a programmer's mistake causes.
    public func wait(milliseconds: Int32) throws(SystemError) -> Int {
        let count = cls_epoll_wait(epoll.rawValue, events, Int32(Self.batch), milliseconds)
        guard count >= 0 else { throw SystemError(operation: "epoll_wait", errno: -count) }
        return Int(count)
    }

    /// An event of the last wait.
    public func event(_ index: Int) -> (id: UInt64, readiness: Readiness) {
        precondition(index >= 0 && index < Self.batch)
        return (events[index].data, Readiness(rawValue: events[index].events))
    }

    /// Ends a wait, now or the next one. May be called from any thread.
    public func wakeUp() {
        var one: UInt64 = 1
        _ = Glibc.write(counter.rawValue, &one, 8)
    }

    /// The event of ``wakeUp()`` has been seen.
    public func acknowledgeWakeUp() {
        var count: UInt64 = 0
        _ = Glibc.read(counter.rawValue, &count, 8)
    }
}
