// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Glibc
internal import Synchronization

/// Runs an operation that Ctrl-C (SIGINT) and SIGTERM cancel.
///
/// - Parameter body: gets cancelled at the first signal; a second one ends the process at once.
/// - Throws: what the body throws; `CommandFailure` with code 128 + signal when it ended because of one.
func interruptible<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
    let received = Mutex<CInt?>(nil)
    let task = Task(operation: body)
    let sources = [SIGINT, SIGTERM].compactMap { number in
        watch(number) {
            received.withLock { $0 = number }
            task.cancel()
        }
    }
    defer { for source in sources { source.cancel() } }
    do {
        return try await task.value
    } catch {
        if let number = received.withLock({ $0 }) { throw CommandFailure(code: 128 + number) }
        throw error
    }
}

/// Nil when the signal is ignored, as it is in the background jobs of a script: then it stays so.
private func watch(_ number: CInt, _ handler: @escaping @Sendable () -> Void) -> (any DispatchSourceSignal)? {
    var present = sigaction()
    sigaction(number, nil, &present)
    let isIgnored = present.__sigaction_handler.sa_handler.map { unsafeBitCast($0, to: Int.self) } == 1
    guard !isIgnored else { return nil }
    signal(number, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
    source.setEventHandler {
        signal(number, SIG_DFL)
        handler()
    }
    source.activate()
    return source
}
