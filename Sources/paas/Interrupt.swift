// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import ProgramSupport
internal import Synchronization

/// Runs an operation that Ctrl-C (SIGINT) and SIGTERM cancel.
///
/// - Parameter body: gets cancelled at the first signal; a second one ends the process at once.
/// - Throws: what the body throws; `CommandFailure` with code 128 + signal when it ended because of one.
func interruptible<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
    let received = Mutex<CInt?>(nil)
    let task = Task(operation: body)
    // Each of them once: the second one ends the process as if nobody watched.
    let watch = SignalWatch(of: [SIGINT, SIGTERM], once: true) { number in
        received.withLock { $0 = number }
        task.cancel()
    }
    defer { watch.cancel() }
    do {
        return try await task.value
    } catch {
        if let number = received.withLock({ $0 }) { throw CommandFailure(code: 128 + number) }
        throw error
    }
}
