// SPDX-License-Identifier: Apache-2.0

/// Changes of a store in the order of their revision, in batches that never split a revision.
///
/// A slow reader holds nothing in memory: each batch is read when it is asked for.
public struct WatchSequence: AsyncSequence, Sendable {
    /// All changes of one or more transactions, never empty.
    public typealias Element = [StoreChange]

    /// One page of history.
    public struct Page: Sendable {
        /// Changes of whole revisions, oldest first; may be empty.
        public var changes: [StoreChange]
        /// The revision up to which the page is complete.
        public var through: Int64

        /// Creates a page.
        public init(changes: [StoreChange], through: Int64) {
            self.changes = changes
            self.through = through
        }
    }

    private let start: Int64
    private let wakeups: @Sendable () -> AsyncStream<Void>
    private let page: @Sendable (_ after: Int64) async throws -> Page

    /// Creates a watch, for implementations of `KeyValueStore`.
    ///
    /// - Parameters:
    ///   - start: changes after this revision are wanted.
    ///   - wakeups: a stream that yields after changes that may concern the watch, and ends with the store.
    ///   - page: reads the next changes after a revision; throws `StoreError.compacted` when they are gone.
    public init(
        start: Int64, wakeups: @escaping @Sendable () -> AsyncStream<Void>,
        page: @escaping @Sendable (_ after: Int64) async throws -> Page
    ) {
        self.start = start
        self.wakeups = wakeups
        self.page = page
    }

    /// Begins to watch.
    public func makeAsyncIterator() -> Iterator {
        // The wake-ups are subscribed to before the first read, so that no commit falls between the two.
        Iterator(position: start, wakeups: wakeups().makeAsyncIterator(), page: page)
    }

    /// Reads the batches.
    public struct Iterator: AsyncIteratorProtocol {
        var position: Int64
        var wakeups: AsyncStream<Void>.Iterator
        let page: @Sendable (_ after: Int64) async throws -> Page

        /// The next batch; waits, without polling, until there is one. Nil when the task is cancelled or the store
        /// was closed.
        ///
        /// - Throws: `StoreError`.
        public mutating func next() async throws -> [StoreChange]? {
            while !Task.isCancelled {
                let page = try await page(position)
                position = page.through
                if !page.changes.isEmpty { return page.changes }
                guard await wakeups.next() != nil else { return nil }
            }
            return nil
        }
    }
}
