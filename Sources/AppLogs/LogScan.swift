// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem
internal import PaaSModel
internal import Synchronization

/// One reader's place in a log, on the thread of all readers: a search through a gigabyte, or a disk that is slow, costs
/// other readers some time, and nobody else. A turn is bounded, so they take turns.
actor LogScan {
    /// What a turn came to.
    enum Turn {
        /// Lines that match.
        case batch(LogBatch)
        /// Ask again: there is more to read.
        case more
        /// There is nothing more now.
        case caughtUp
        /// There will never be more.
        case finished
    }

    private static let turnNanoseconds: Int64 = 2_000_000

    private let scanner: LogScanner
    private let loop: EventLoop

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    /// - Throws: `SystemError` when the thread cannot be had.
    init(directory: SegmentDirectory, query: LogQuery, isFollowing: Bool) throws(SystemError) {
        loop = try LogReaderThread.loop()
        scanner = LogScanner(directory: directory, query: query, isFollowing: isFollowing)
    }

    /// Reads for a short time, up to the first lines that match.
    ///
    /// - Throws: `AppLogError`.
    func turn(visibleEnd: LogPosition) throws(AppLogError) -> Turn {
        let start = MonotonicInstant.now
        do {
            while true {
                switch try scanner.step(visibleEnd: visibleEnd) {
                case .batch(let batch): return .batch(batch)
                case .caughtUp: return scanner.isPast ? .finished : .caughtUp
                case .more: break
                }
                if MonotonicInstant.now.nanoseconds - start.nanoseconds > Self.turnNanoseconds { return .more }
            }
        } catch let error as SystemError {
            throw .storage(error)
        } catch let error as AppLogError {
            throw error
        } catch {
            preconditionFailure("reading a log throws nothing else: \(error)")
        }
    }
}

/// Locates a query's lines, then reads them, step by step. Belongs to one thread at a time.
final class LogScanner {
    private let directory: SegmentDirectory
    private let query: LogQuery
    private let isFollowing: Bool
    private let filter: LogFilter
    private var locator: LogLocator?
    private var cursor: LogCursor?

    init(directory: SegmentDirectory, query: LogQuery, isFollowing: Bool) {
        self.directory = directory
        self.query = query
        self.isFollowing = isFollowing
        filter = LogFilter(query)
    }

    /// A line at or after the query's `until` was met.
    var isPast: Bool { cursor?.isPast ?? false }

    /// - Parameter visibleEnd: what is behind it is not there yet.
    /// - Throws: `SystemError`, or `AppLogError.patternTooCostly`.
    func step(visibleEnd: LogPosition) throws -> LogCursor.Step {
        if let cursor { return try cursor.step(visibleEnd: visibleEnd) }
        if let after = query.after {
            cursor = LogCursor(
                directory: directory, filter: filter, from: after, to: isFollowing ? nil : try tail(visibleEnd))
            return .more
        }
        var locator =
            try self.locator
            ?? LogLocator(directory: directory, query: query, filter: filter, visibleEnd: visibleEnd)
        self.locator = nil
        if let range = try locator.step() {
            cursor = LogCursor(
                directory: directory, filter: filter, from: range.start, to: isFollowing ? nil : range.end)
        } else {
            self.locator = locator
        }
        return .more
    }

    private func tail(_ visibleEnd: LogPosition) throws(SystemError) -> LogPosition {
        guard let number = try directory.numbers().last, let file = try SegmentFile.open(number, in: directory) else {
            return .start
        }
        return min(LogPosition(segment: number, offset: try file.endOfWholeLines()), visibleEnd)
    }
}

/// The one thread that reads logs, made with the first reader. It sleeps while nobody reads.
private enum LogReaderThread {
    private static let shared = Mutex<EventLoop?>(nil)

    static func loop() throws(SystemError) -> EventLoop {
        let made: Result<EventLoop, SystemError> = shared.withLock { shared in
            if let shared { return .success(shared) }
            do throws(SystemError) {
                let loop = try EventLoop()
                loop.start(threadName: "log-reader")
                shared = loop
                return .success(loop)
            } catch {
                return .failure(error)
            }
        }
        return try made.get()
    }
}
