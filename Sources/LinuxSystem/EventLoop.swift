// SPDX-License-Identifier: Apache-2.0

internal import CLinuxSupport
internal import Glibc
internal import Synchronization

/// One thread that blocks in `epoll_wait`, and the executor of the actors that live on it.
///
/// Everything that the supervisor waits for is a descriptor in this one epoll: pidfds, `cgroup.events`, FIFOs, a
/// single timerfd for all timers, and an eventfd through which other threads hand over work. With nothing to do the
/// thread makes no system call at all. An actor uses it by returning it from `unownedExecutor`; handlers and timers
/// then run on the actor's own thread, inside `assumeIsolated`.
///
/// Concurrency proof for `@unchecked Sendable`: `inbox` is the only state that other threads touch, behind its mutex;
/// everything else is used on the loop's thread only, which `preconditionOnThread` checks.
public final class EventLoop: SerialExecutor, @unchecked Sendable {
    /// What a descriptor is watched for.
    public struct Interest: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// Bytes can be read, or a pidfd's process has ended (EPOLLIN).
        public static let readable = Interest(rawValue: 0x001)
        /// Bytes can be written, or a connection has come about or failed (EPOLLOUT).
        public static let writable = Interest(rawValue: 0x004)
        /// A kernel file such as `cgroup.events` has changed (EPOLLPRI, edge-triggered: level-triggered it would be
        /// reported again and again until somebody reads through this very descriptor).
        public static let changed = Interest(rawValue: 0x002 | 1 << 31)
    }

    /// A watched descriptor; hand it back to `cancel(_:)`. Never reused, so a stale event finds nobody.
    public struct Registration: Hashable, Sendable {
        fileprivate let id: UInt64
        fileprivate let descriptor: Int32
    }

    /// A timer; hand it back to `cancel(_:)`.
    public struct Timer: Hashable, Sendable {
        fileprivate let id: UInt64
    }

    private struct Inbox {
        var jobs: [UnownedJob] = []
        var work: [@Sendable () -> Void] = []
        var wakeUpSent = false
        var stopping = false
    }

    private static let wakeUpID: UInt64 = 0
    private static let timerID: UInt64 = 1

    private let epoll: OwnedDescriptor
    private let wakeUp: OwnedDescriptor
    private let timerDescriptor: OwnedDescriptor
    private let inbox = Mutex(Inbox())
    private let thread = Mutex<pthread_t?>(nil)
    private let started = Mutex<pthread_t?>(nil)

    private var nextID: UInt64 = 2
    private var handlers: [UInt64: () -> Void] = [:]
    private var timers = TimerQueue()
    private var armedDeadline: Int64 = 0

    /// Creates the loop's descriptors; nothing runs before ``run()``.
    ///
    /// - Throws: `SystemError` (EMFILE, ENOMEM).
    public init() throws(SystemError) {
        epoll = try Self.descriptor(cls_epoll_create(), "epoll_create1")
        wakeUp = try Self.descriptor(cls_eventfd(), "eventfd")
        timerDescriptor = try Self.descriptor(cls_timerfd(), "timerfd_create")
        try check(
            cls_epoll_add(epoll.rawValue, wakeUp.rawValue, Interest.readable.rawValue, Self.wakeUpID), "epoll_ctl")
        try check(
            cls_epoll_add(epoll.rawValue, timerDescriptor.rawValue, Interest.readable.rawValue, Self.timerID),
            "epoll_ctl")
    }

    private static func descriptor(_ result: Int32, _ operation: String) throws(SystemError) -> OwnedDescriptor {
        guard result >= 0 else { throw SystemError(operation: operation, errno: -result) }
        return OwnedDescriptor(adopting: result)
    }

    private func check(_ result: Int32, _ operation: String) throws(SystemError) {
        guard result >= 0 else { throw SystemError(operation: operation, errno: -result) }
    }

    // MARK: Running

    /// Makes the calling thread the loop's thread until ``stop()``. Blocks.
    ///
    /// - Throws: `SystemError` when `epoll_wait` itself fails, which only a programmer's mistake causes.
    public func run() throws(SystemError) {
        thread.withLock { $0 = pthread_self() }
        var events = [cls_epoll_event](repeating: cls_epoll_event(), count: 64)
        while true {
            let next = runJobs()
            if next == .stop { return }
            armTimer()
            let count = cls_epoll_wait(epoll.rawValue, &events, Int32(events.count), next == .look ? 0 : -1)
            try check(count, "epoll_wait")
            for event in events[..<Int(count)] { dispatch(event) }
        }
    }

    /// Starts a thread of the given name that runs the loop.
    ///
    /// - Parameters:
    ///   - threadName: at most 15 bytes of it are seen.
    ///   - inBackground: it gets of processor and disk only what others leave, as far as the kernel allows.
    public func start(threadName: String, inBackground: Bool = false) {
        let created: pthread_t
        do throws(SystemError) {
            created = try DetachedThread.startAttached(name: threadName) { [self] in
                if inBackground { cls_lower_thread() }
                do { try run() } catch { fatalError("event loop: \(error)") }
            }
        } catch {
            preconditionFailure("the event loop's thread: \(error)")
        }
        started.withLock { $0 = created }
    }

    /// Ends ``run()`` after the work that is already handed over. May be called from any thread.
    public func stop() {
        inbox.withLock { $0.stopping = true }
        sendWakeUp()
    }

    /// Ends the thread of ``start(threadName:inBackground:)`` and returns when it is gone. Blocks; not to be called on that thread.
    public func stopAndJoin() {
        stop()
        if let thread = started.withLock({ $0.take() }) { pthread_join(thread, nil) }
    }

    private func dispatch(_ event: cls_epoll_event) {
        switch event.data {
        case Self.wakeUpID:
            drainCounter(wakeUp)
        case Self.timerID:
            drainCounter(timerDescriptor)
            armedDeadline = 0
            runDueTimers()
        default:
            handlers[event.data]?()
        }
    }

    private func drainCounter(_ descriptor: borrowing OwnedDescriptor) {
        var counter: UInt64 = 0
        _ = Glibc.read(descriptor.rawValue, &counter, 8)
    }

    // MARK: Executor

    /// Runs a job of an actor on the loop's thread.
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        handOver { $0.jobs.append(job) }
    }

    /// Runs `body` on the loop's thread, for callers that are not async. May be called from any thread.
    public func execute(_ body: @escaping @Sendable () -> Void) {
        handOver { $0.work.append(body) }
    }

    private func handOver(_ add: (inout Inbox) -> Void) {
        let mustWake = inbox.withLock { inbox in
            add(&inbox)
            if inbox.wakeUpSent { return false }
            inbox.wakeUpSent = true
            return true
        }
        // On the loop's own thread the queue is looked at again before the next epoll_wait.
        if mustWake && !isOnThread { sendWakeUp() }
    }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    public func checkIsolated() { preconditionOnThread() }

    private func sendWakeUp() {
        var one: UInt64 = 1
        _ = Glibc.write(wakeUp.rawValue, &one, 8)
    }

    private enum Next { case wait, look, stop }

    /// Runs what was handed over, but not what that hands over in its turn: descriptors and timers are not to wait for as long
    /// as jobs bring jobs.
    private func runJobs() -> Next {
        let (jobs, work) = inbox.withLock { inbox in
            defer {
                inbox.jobs.removeAll(keepingCapacity: false)
                inbox.work.removeAll(keepingCapacity: false)
            }
            return (inbox.jobs, inbox.work)
        }
        for body in work { body() }
        for job in jobs { job.runSynchronously(on: asUnownedSerialExecutor()) }
        return inbox.withLock { inbox in
            guard inbox.jobs.isEmpty && inbox.work.isEmpty else { return .look }
            inbox.wakeUpSent = false
            return inbox.stopping ? .stop : .wait
        }
    }

    /// True on the loop's thread.
    public var isOnThread: Bool {
        thread.withLock { thread in thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false }
    }

    private func preconditionOnThread() {
        precondition(isOnThread, "called off the event loop's thread")
    }

    // MARK: Descriptors

    /// Calls `handler` on the loop's thread each time the descriptor is ready (level-triggered).
    ///
    /// The caller keeps the descriptor open until it has cancelled the registration: closing it first could leave
    /// the registration alive through a duplicate.
    ///
    /// - Throws: `SystemError` from epoll_ctl(2).
    public func register(
        _ descriptor: borrowing OwnedDescriptor, for interest: Interest, handler: @escaping () -> Void
    ) throws(SystemError) -> Registration {
        preconditionOnThread()
        let id = nextID
        nextID += 1
        try check(cls_epoll_add(epoll.rawValue, descriptor.rawValue, interest.rawValue, id), "epoll_ctl")
        handlers[id] = handler
        return Registration(id: id, descriptor: descriptor.rawValue)
    }

    /// Stops watching a descriptor. Does nothing when it was cancelled before.
    public func cancel(_ registration: Registration) {
        preconditionOnThread()
        guard handlers.removeValue(forKey: registration.id) != nil else { return }
        _ = cls_epoll_delete(epoll.rawValue, registration.descriptor)
    }

    // MARK: Timers

    /// Calls `body` once on the loop's thread, after a time on the monotonic clock.
    public func schedule(after delay: Duration, _ body: @escaping () -> Void) -> Timer {
        preconditionOnThread()
        let id = nextID
        nextID += 1
        let (seconds, attoseconds) = delay.components
        timers.insert(
            id: id, deadline: cls_monotonic_ns() + max(0, seconds * 1_000_000_000 + attoseconds / 1_000_000_000), body)
        return Timer(id: id)
    }

    /// Forgets a timer. Does nothing when it has fired or was cancelled before.
    public func cancel(_ timer: Timer) {
        preconditionOnThread()
        timers.remove(id: timer.id)
    }

    private func armTimer() {
        // A timerfd that is armed too early costs one wake-up; leaving it armed after a cancel is cheaper than a
        // system call for every cancelled timer.
        guard let next = timers.nextDeadline, armedDeadline == 0 || next < armedDeadline else { return }
        armedDeadline = next
        _ = cls_timerfd_set(timerDescriptor.rawValue, next)
    }

    private func runDueTimers() {
        let now = cls_monotonic_ns()
        while let body = timers.popDue(now: now) { body() }
    }
}
