// SPDX-License-Identifier: Apache-2.0

internal import ServiceLifecycle

extension AsyncSequence where Self: Sendable, Element: Sendable {
    /// The elements until the service group shuts down; then the sequence ends. A cancelled task ends it as it would by
    /// itself.
    ///
    /// Not `cancelOnGracefulShutdown()` of ServiceLifecycle: the `merge` of AsyncAlgorithms below it holds a mutex over
    /// a call that it takes for no suspension. With NIO's loops as Swift's executor it can be one. The loop's thread then
    /// goes on to another task of the same stream, waits for the mutex that it holds itself, and never wakes up again.
    func untilShutdown() -> UntilShutdown<Self> { UntilShutdown(base: self) }
}

/// See ``untilShutdown()``. An element is asked of the base only when one is wanted.
struct UntilShutdown<Base: AsyncSequence & Sendable>: AsyncSequence, Sendable where Base.Element: Sendable {
    fileprivate let base: Base

    func makeAsyncIterator() -> Iterator { Iterator(base.makeAsyncIterator()) }

    struct Iterator: AsyncIteratorProtocol {
        /// `@unchecked Sendable`: only ``next()`` uses it, in one task at a time, and waits for that task.
        private final class Box: @unchecked Sendable {
            var iterator: Base.AsyncIterator

            init(_ iterator: Base.AsyncIterator) { self.iterator = iterator }
        }

        private let box: Box

        init(_ iterator: Base.AsyncIterator) { box = Box(iterator) }

        mutating func next() async throws -> Base.Element? {
            // A task of its own is what a shutdown can cancel without cancelling whoever uses the elements.
            let step = Task { [box] in try await box.iterator.next() }
            do {
                return try await withTaskCancellationOrGracefulShutdownHandler {
                    try await step.value
                } onCancelOrGracefulShutdown: {
                    step.cancel()
                }
            } catch {
                guard Task.isShuttingDownGracefully else { throw error }
                return nil
            }
        }
    }
}
