// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem
public import PaaSModel

/// The lines that a query gives, and while following every later one, each exactly once and in the order of writing.
///
/// Lines are read as they are asked for, on a thread of the readers: however many a log has and however slow the consumer
/// is, two blocks of 64 KiB are in memory. A follower so slow that the segment it reads was deleted is told so in a system
/// line, and goes on with the oldest one that is left. Every iterator begins anew. It ends, without an error, when its task
/// is cancelled or the log is removed.
public struct LogLines: AsyncSequence, Sendable {
    public typealias Element = LogLine
    public typealias Failure = any Error

    let directory: SegmentDirectory
    let query: LogQuery
    /// Of the log's writer; nil when there is none in this process.
    let notifier: LogNotifier?
    /// Go on with what is written later.
    let isFollowing: Bool

    /// Begins reading; files are opened with the first line that is asked for.
    public func makeAsyncIterator() -> Iterator { Iterator(lines: self) }

    /// One reader, with its own place in the log.
    public struct Iterator: AsyncIteratorProtocol {
        private let lines: LogLines
        private var scan: LogScan?
        private var batch: ArraySlice<LogLine> = []
        private var isFinished = false

        init(lines: LogLines) { self.lines = lines }

        /// The next line; while following it waits for one.
        ///
        /// - Throws: `AppLogError`.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws -> LogLine? {
            if batch.isEmpty {
                guard let next = try await nextBatch(isolation: actor) else { return nil }
                batch = next.lines[...]
            }
            return batch.popFirst()
        }

        /// The next lines that can be had without waiting, at least one: for writing them out together. Not to be mixed
        /// with ``next(isolation:)``.
        ///
        /// - Throws: `AppLogError`.
        public mutating func nextBatch(isolation actor: isolated (any Actor)? = #isolation) async throws -> LogBatch? {
            do {
                let scan = try openedScan()
                while !isFinished, !Task.isCancelled {
                    let state = lines.notifier?.state
                    switch try await scan.turn(visibleEnd: state?.visibleEnd ?? .end) {
                    case .batch(let batch): return batch
                    case .more: continue
                    case .finished: isFinished = true
                    case .caughtUp:
                        guard lines.isFollowing, let notifier = lines.notifier, let state, !state.isFinished else {
                            isFinished = true
                            continue
                        }
                        await notifier.wait(after: state.generation)
                    }
                }
            } catch let error as SystemError {
                isFinished = true
                throw AppLogError.storage(error)
            } catch {
                isFinished = true
                throw error
            }
            isFinished = true
            return nil
        }

        private mutating func openedScan() throws -> LogScan {
            if let scan { return scan }
            let made = try LogScan(directory: lines.directory, query: lines.query, isFollowing: lines.isFollowing)
            scan = made
            return made
        }
    }
}
