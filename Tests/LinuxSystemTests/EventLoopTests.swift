// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing

@testable import LinuxSystem

/// An actor that lives on a loop's thread, as the supervisor does.
private actor Resident {
    nonisolated let loop: EventLoop
    private(set) var fired: [String] = []

    init(loop: EventLoop) { self.loop = loop }

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    func isOnLoopThread() -> Bool { loop.isOnThread }

    /// Schedules all in one turn, so that nothing but the delays decides the order, and cancels the first.
    func schedule(_ timers: [(name: String, delay: Duration)], whenAllFired done: @escaping @Sendable () -> Void) {
        let scheduled = timers.map { timer in
            loop.schedule(after: timer.delay) {
                self.assumeIsolated { $0.fired.append(timer.name) }
                if self.assumeIsolated({ $0.fired.count }) == timers.count - 1 { done() }
            }
        }
        loop.cancel(scheduled[0])
    }

    /// Waits for one byte on the read side of a pipe.
    func firstByte(of reader: consuming OwnedDescriptor) async throws -> UInt8? {
        let descriptor = Box(reader)
        return try await withCheckedThrowingContinuation { continuation in
            do {
                descriptor.registration = try loop.register(descriptor.value, for: .readable) { [loop] in
                    guard let registration = descriptor.registration else { return }
                    loop.cancel(registration)
                    var byte: UInt8 = 0
                    let count = withUnsafeMutableBytes(of: &byte) { try? descriptor.value.read(into: $0) }
                    continuation.resume(returning: count == 1 ? byte : nil)
                }
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }
}

/// Work that hands itself over again, ``limit`` times.
private final class Chain: Sendable {
    static let limit = 100_000
    let loop: EventLoop
    let length = Atomic(0)

    init(loop: EventLoop) { self.loop = loop }

    func next() {
        guard length.add(1, ordering: .relaxed).newValue < Self.limit else { return }
        loop.execute { self.next() }
    }
}

/// `@unchecked Sendable`: only the loop's thread looks into it.
private final class Box: @unchecked Sendable {
    let value: OwnedDescriptor
    var registration: EventLoop.Registration?
    init(_ value: consuming OwnedDescriptor) { self.value = value }
}

@Suite struct EventLoopTests {
    private func makeResident() throws -> Resident {
        let loop = try EventLoop()
        loop.start(threadName: "test-loop")
        return Resident(loop: loop)
    }

    @Test func actorRunsOnTheLoopsThread() async throws {
        let resident = try makeResident()
        #expect(await resident.isOnLoopThread())
        #expect(!resident.loop.isOnThread)
        resident.loop.stop()
    }

    @Test func timersFireInOrderAndACancelledOneNever() async throws {
        let resident = try makeResident()
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            Task {
                await resident.schedule(
                    [("never", .milliseconds(10)), ("late", .milliseconds(40)), ("early", .milliseconds(20))]
                ) { continuation.resume() }
            }
        }
        #expect(await resident.fired == ["early", "late"])
        resident.loop.stop()
    }

    @Test func readableDescriptorCallsItsHandler() async throws {
        let resident = try makeResident()
        let pipe = try Pipe()
        try pipe.writer?.writeAll([42])
        #expect(try await resident.firstByte(of: pipe.takeReader()) == 42)
        resident.loop.stop()
    }

    /// What hands itself over again and again once kept every descriptor and timer waiting.
    @Test func workThatBringsWorkKeepsNoDescriptorWaiting() async throws {
        let resident = try makeResident()
        let pipe = try Pipe()
        try pipe.writer?.writeAll([42])
        let chain = Chain(loop: resident.loop)
        let reader = Box(pipe.takeReader())
        let loop = resident.loop
        let lengthAtTheEvent = await withCheckedContinuation { continuation in
            loop.execute {
                reader.registration = try? loop.register(reader.value, for: .readable) {
                    guard let registration = reader.registration else { return }
                    loop.cancel(registration)
                    reader.registration = nil
                    continuation.resume(returning: chain.length.load(ordering: .relaxed))
                }
                chain.next()
            }
        }
        #expect(lengthAtTheEvent < Chain.limit)
        loop.stop()
    }

    @Test func manyThreadsHandOverWorkAndNoneIsLost() async throws {
        let resident = try makeResident()
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<2_000 { group.addTask { await resident.isOnLoopThread() } }
            for await onThread in group { #expect(onThread) }
        }
        resident.loop.stop()
    }
}

@Suite struct TimerQueueTests {
    @Test func firesByDeadlineThenByAge() {
        var queue = TimerQueue()
        var fired: [Int] = []
        for (id, deadline) in [(1, 30), (2, 10), (3, 10), (4, 20)] {
            queue.insert(id: UInt64(id), deadline: Int64(deadline)) { fired.append(id) }
        }
        queue.remove(id: 4)
        #expect(queue.nextDeadline == 10)
        #expect(queue.popDue(now: 9) == nil)
        while let body = queue.popDue(now: 30) { body() }
        #expect(fired == [2, 3, 1])
        #expect(queue.nextDeadline == nil)
    }
}
