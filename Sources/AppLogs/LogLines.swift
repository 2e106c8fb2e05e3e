// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem
public import PaaSModel

/// The lines that a query gives, and with following every later one, each exactly once and in the order of writing.
///
/// Lines are read as they are asked for: however many a log has and however slow the consumer is, one block of 64 KiB
/// is in memory. A follower so slow that the segment it reads was deleted goes on with the oldest one that is left.
/// Every iterator begins anew. It ends, without an error, when its task is cancelled or the log is removed.
public struct LogLines: AsyncSequence, Sendable {
    public typealias Element = LogLine
    public typealias Failure = any Error

    let directory: SegmentDirectory
    let query: LogQuery
    /// Nil gives only what is there.
    let notifier: LogNotifier?

    /// Begins reading; files are opened with the first line that is asked for.
    public func makeAsyncIterator() -> Iterator { Iterator(lines: self) }

    /// One reader, with its own place in the log.
    public struct Iterator: AsyncIteratorProtocol {
        private let lines: LogLines
        private var cursor: LogCursor?
        private var batch: ArraySlice<LogLine> = []
        private var isFinished = false

        init(lines: LogLines) { self.lines = lines }

        /// The next line; while following it waits for one.
        ///
        /// - Throws: `AppLogError.storage`.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws -> LogLine? {
            if batch.isEmpty {
                guard let next = try await nextBatch(isolation: actor) else { return nil }
                batch = next[...]
            }
            return batch.popFirst()
        }

        /// The next lines that can be had without waiting, at least one: for writing them out together.
        ///
        /// - Throws: `AppLogError.storage`.
        public mutating func nextBatch(isolation actor: isolated (any Actor)? = #isolation) async throws -> [LogLine]? {
            defer { batch = [] }
            if !batch.isEmpty { return Array(batch) }
            do {
                while !isFinished {
                    let generation = lines.notifier?.generation ?? 0
                    let isLast = lines.notifier?.isFinished ?? true
                    if let next = try readBatch() { return next }
                    if isLast || cursor?.isPast == true { break }
                    await lines.notifier?.wait(after: generation)
                }
            } catch let error as SystemError {
                isFinished = true
                throw AppLogError.storage(error)
            } catch is CancellationError {}
            isFinished = true
            return nil
        }

        private mutating func readBatch() throws -> [LogLine]? {
            let cursor: LogCursor
            if let existing = self.cursor {
                cursor = existing
            } else {
                let range = try LogLocator(directory: lines.directory, query: lines.query).locate()
                cursor = LogCursor(
                    directory: lines.directory, query: lines.query, from: range.start,
                    to: lines.notifier == nil ? range.end : nil)
                self.cursor = cursor
            }
            return try cursor.nextBatch()
        }
    }
}
