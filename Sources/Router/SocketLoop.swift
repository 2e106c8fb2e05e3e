// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import NIOCore
import Synchronization

/// What a ``SocketLoop`` tells of something that happened to a descriptor.
protocol SocketEvents: AnyObject {
    func happened(_ readiness: Epoll.Readiness)
    /// The thread ends, and nothing happens any more.
    func loopEnded()
}

/// One thread with sockets of its own, edge-triggered, and nothing between the kernel and the router's code.
///
/// A socket is registered once and is then read and written without asking the kernel when; with nothing to do the
/// thread blocks, and without a timer for ever.
///
/// Concurrency proof for `@unchecked Sendable`: `inbox` is all that other threads touch, behind its mutex, and the epoll's
/// wake-up; everything else is used on the loop's thread.
final class SocketLoop: LoopThread, @unchecked Sendable {
    private struct Inbox {
        var work: [@Sendable () -> Void] = []
        var isWoken = false
        var isStopped = false
    }

    /// Registered sockets by the lower half of their number; the upper half tells the users of a place apart, so that an
    /// event that comes late finds nobody.
    private struct Slot {
        var events: (any SocketEvents)?
        var generation: UInt32 = 0
    }

    /// What one read takes from a socket at most.
    private static let receiveSize = 64 << 10

    let outside: any NIOCore.EventLoop
    private let epoll: Epoll
    private let inbox = Mutex(Inbox())
    private var slots: [Slot] = []
    private var freeSlots: [Int] = []
    private var timers = TimerHeap()
    private(set) var now = NIODeadline.now()
    private var ready: [any LoopContinuation] = []
    /// The thread, once it runs.
    private let thread = Atomic<UInt>(0)
    /// Where everything is received: used by one connection at a time, which copies what it keeps.
    private var received: ByteBuffer
    /// An empty buffer with room for what is sent next.
    private var spare = ByteBufferAllocator().buffer(capacity: 4 << 10)

    /// - Throws: `SystemError` when there is no descriptor left.
    init(outside: any NIOCore.EventLoop) throws(SystemError) {
        self.outside = outside
        epoll = try Epoll()
        received = ByteBufferAllocator().buffer(capacity: Self.receiveSize)
    }

    // MARK: - The thread

    /// Starts the thread, which lives until ``stop()``.
    func start() throws(SystemError) {
        try DetachedThread.start(name: "router") { [self] in run() }
    }

    /// Ends the thread after the work that was handed over, with every socket that is left. May be called from any thread.
    func stop() {
        inbox.withLock { $0.isStopped = true }
        epoll.wakeUp()
    }

    /// This is the loop's thread.
    var isOnThread: Bool { thread.load(ordering: .relaxed) == UInt(pthread_self()) }

    func execute(_ body: @escaping @Sendable () -> Void) {
        let mustWake = inbox.withLock { inbox in
            // Nobody would come for it, and it would keep alive what it refers to.
            if inbox.isStopped { return false }
            inbox.work.append(body)
            defer { inbox.isWoken = true }
            return !inbox.isWoken
        }
        if mustWake { epoll.wakeUp() }
    }

    private func run() {
        thread.store(UInt(pthread_self()), ordering: .relaxed)
        while true {
            let count: Int
            do throws(SystemError) {
                count = try epoll.wait(milliseconds: waitingTime())
            } catch {
                fatalError("the router's loop: \(error)")
            }
            for index in 0..<count {
                let (id, readiness) = epoll.event(index)
                now = .now()
                if id == Epoll.wakeUpID {
                    guard runWork() else { return end() }
                } else {
                    dispatch(id, readiness)
                }
            }
            if timers.next != nil { fireTimers() }
            if !ready.isEmpty { continueReady() }
        }
    }

    /// Lets go of everything: sockets and timers refer to the loop, and it to them.
    private func end() {
        var index = 0
        while index < slots.count {
            slots[index].events?.loopEnded()
            index += 1
        }
        while !ready.isEmpty { continueReady() }
        timers.removeAll()
    }

    private func waitingTime() -> Int32 {
        if !ready.isEmpty { return 0 }
        guard let next = timers.next else { return -1 }
        // Rounded up: a wait that ends too early would only be another one.
        let nanoseconds = (next - .now()).nanoseconds + 999_999
        return Int32(min(max(nanoseconds / 1_000_000, 0), 3_600_000))
    }

    private func dispatch(_ id: UInt64, _ readiness: Epoll.Readiness) {
        let index = Int(id & 0xFFFF_FFFF)
        guard index < slots.count, UInt64(slots[index].generation) == id >> 32 else { return }
        slots[index].events?.happened(readiness)
    }

    /// False when the thread is to end.
    private func runWork() -> Bool {
        epoll.acknowledgeWakeUp()
        let (work, isStopped) = inbox.withLock { inbox in
            defer { inbox = Inbox(isStopped: inbox.isStopped) }
            return (inbox.work, inbox.isStopped)
        }
        for body in work { body() }
        return !isStopped
    }

    private func fireTimers() {
        now = .now()
        while let timer = timers.popDue(now: now) { timer.fire() }
    }

    private func continueReady() {
        let continuations = ready
        ready.removeAll(keepingCapacity: true)
        now = .now()
        for continuation in continuations { continuation.goOn() }
    }

    func continueLater(_ continuation: any LoopContinuation) { ready.append(continuation) }

    // MARK: - Timers

    func schedule(_ timer: DeadlineTimer, at time: NIODeadline) { timers.insert(timer) }

    func unschedule(_ timer: DeadlineTimer) { timers.remove(timer) }

    // MARK: - Sockets

    /// Finds a place for somebody whose descriptor is to be registered.
    private func claimSlot(_ events: any SocketEvents) -> (index: Int, id: UInt64) {
        let index = freeSlots.popLast() ?? slots.count
        if index == slots.count { slots.append(Slot()) }
        slots[index].events = events
        return (index, UInt64(slots[index].generation) << 32 | UInt64(index))
    }

    /// Gives the place back: what the kernel still tells of the descriptor is nobody's.
    func releaseSlot(_ index: Int) {
        slots[index].events = nil
        slots[index].generation &+= 1
        // The last generation of the last place would be the number of the wake-up.
        if slots[index].generation != .max { freeSlots.append(index) }
    }

    /// Registers a socket.
    func register(_ transport: SocketTransport, _ socket: StreamSocket) throws(SystemError) -> Int {
        try register(transport) { id throws(SystemError) in try epoll.add(socket, id: id) }
    }

    /// Tells of connections that wait to be accepted.
    func register(_ acceptor: Acceptor, listener: Shared<OwnedDescriptor>) throws(SystemError) -> Int {
        try register(acceptor) { id throws(SystemError) in try epoll.add(listener: listener.value, id: id) }
    }

    private func register(
        _ events: any SocketEvents, _ add: (UInt64) throws(SystemError) -> Void
    ) throws(SystemError) -> Int {
        let (index, id) = claimSlot(events)
        do throws(SystemError) {
            try add(id)
        } catch {
            releaseSlot(index)
            throw error
        }
        return index
    }

    /// Tells of them no more.
    func unregister(_ index: Int, listener: borrowing OwnedDescriptor) {
        epoll.remove(listener: listener)
        releaseSlot(index)
    }

    /// Reads from a socket into memory that is good until the next call; whoever keeps some of it copies.
    func receive(from socket: StreamSocket) -> (result: StreamSocket.Transfer, bytes: ByteBuffer, isFull: Bool) {
        received.clear()
        var result = StreamSocket.Transfer.wouldBlock
        received.writeWithUnsafeMutableBytes(minimumWritableBytes: Self.receiveSize) { memory in
            // Memory may be larger than was asked for.
            result = socket.receive(into: UnsafeMutableRawBufferPointer(rebasing: memory.prefix(Self.receiveSize)))
            if case .bytes(let count) = result { return count }
            return 0
        }
        return (result, received, received.readableBytes == Self.receiveSize)
    }

    /// Takes the empty buffer, so that writing needs no memory of its own.
    func takeSpare() -> ByteBuffer {
        var buffer = ByteBuffer()
        swap(&buffer, &spare)
        return buffer
    }

    /// Gives a buffer back.
    func returnSpare(_ buffer: inout ByteBuffer) {
        // What is large was needed once, and is not kept.
        if spare.capacity == 0, buffer.capacity <= Self.receiveSize {
            buffer.clear()
            swap(&buffer, &spare)
        }
        buffer = ByteBuffer()
    }

    // MARK: - Connections to apps

    func connect(
        _ connection: UpstreamConnection, to address: SocketAddress, timeout: Duration,
        completion: @escaping (Result<Void, any Error>) -> Void
    ) {
        do throws(SystemError) {
            let transport = SocketTransport(loop: self, user: connection)
            try transport.connect(to: address, timeout: timeout, completion: completion)
        } catch {
            completion(.failure(error))
        }
    }

    func adopt(
        _ connection: UpstreamConnection, socket: NIOBSDSocket.Handle,
        completion: @escaping (Result<Void, any Error>) -> Void
    ) {
        do throws(SystemError) {
            let socket = StreamSocket(adopting: OwnedDescriptor(adopting: socket))
            socket.sendWithoutDelay()
            try SocketTransport(loop: self, user: connection).open(socket)
            completion(.success(()))
        } catch {
            completion(.failure(error))
        }
    }
}
