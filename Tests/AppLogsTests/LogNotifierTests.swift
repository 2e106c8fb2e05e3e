// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import AppLogs

@Suite(.timeLimit(.minutes(10))) struct LogNotifierTests {
    @Test func aSignalBeforeTheWaitIsNotMissed() async {
        let notifier = LogNotifier()
        let generation = notifier.generation
        notifier.signal()
        await notifier.wait(after: generation)
        #expect(notifier.waiterCount == 0)
    }

    @Test func oneSignalWakesEverybody() async {
        let notifier = LogNotifier()
        let generation = notifier.generation
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<20 { group.addTask { await notifier.wait(after: generation) } }
            while notifier.waiterCount < 20 { await Task.yield() }
            notifier.signal()
            await group.waitForAll()
        }
        #expect(notifier.waiterCount == 0)
    }

    @Test func finishedNotifierLetsNobodyWait() async {
        let notifier = LogNotifier()
        notifier.finish()
        await notifier.wait(after: notifier.generation)
        #expect(notifier.isFinished)
    }

    @Test func aCancelledTaskDoesNotWait() async {
        let notifier = LogNotifier()
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            await notifier.wait(after: notifier.generation)
        }
        await task.value
        #expect(notifier.waiterCount == 0)
    }

    @Test func signalAndCancelTogetherResumeExactlyOnce() async {
        // A continuation that is resumed twice traps, one that is never resumed hangs this test.
        for _ in 0..<300 {
            let notifier = LogNotifier()
            let generation = notifier.generation
            let waiter = Task { await notifier.wait(after: generation) }
            async let signalled: Void = { notifier.signal() }()
            async let cancelled: Void = { waiter.cancel() }()
            _ = await (signalled, cancelled, waiter.value)
            #expect(notifier.waiterCount == 0)
        }
    }
}
