// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem
public import PaaSModel

/// Reads the log of one app, while it is written or not. Holds nothing open; any number may read one log.
public struct AppLogReader: Sendable {
    private let directory: SegmentDirectory

    /// A reader of a directory that an ``AppLogWriter`` writes; one that does not exist is an empty log.
    public init(directory: String) {
        self.directory = SegmentDirectory(path: directory)
    }

    /// The lines that a query gives, oldest first. Blocks for the time of reading files.
    ///
    /// All lines are in memory at once, up to 16 KiB each: where they only pass through, use ``lines(_:notifier:)``.
    ///
    /// - Throws: `AppLogError`.
    public func query(_ query: LogQuery) throws -> [LogLine] {
        let scanner = LogScanner(directory: directory, query: query, isFollowing: false)
        var lines: [LogLine] = []
        do {
            while true {
                switch try scanner.step(visibleEnd: .end) {
                case .batch(let batch): lines += batch.lines
                case .more: break
                case .caughtUp: return lines
                }
            }
        } catch let error as SystemError {
            throw AppLogError.storage(error)
        }
    }

    /// The same lines, read as they are asked for.
    ///
    /// - Parameters:
    ///   - query: which lines.
    ///   - notifier: the one that the log's writer signals, when it may be in the midst of writing.
    public func lines(_ query: LogQuery, notifier: LogNotifier? = nil) -> LogLines {
        LogLines(directory: directory, query: query, notifier: notifier, isFollowing: false)
    }

    /// The same lines, and then every line that is written later and matches.
    ///
    /// - Parameters:
    ///   - query: which lines.
    ///   - notifier: the one that the log's writer signals.
    public func follow(_ query: LogQuery, notifier: LogNotifier) -> LogLines {
        LogLines(directory: directory, query: query, notifier: notifier, isFollowing: true)
    }
}
