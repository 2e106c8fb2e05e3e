// SPDX-License-Identifier: Apache-2.0

public import PaaSModel

/// Which log lines are wanted.
public struct LogParameters: Hashable, Sendable {
    /// How many lines.
    public enum Limit: Hashable, Sendable {
        /// The newest that match, at most 10,000.
        case newest(Int)
        /// Every one that matches.
        case all
    }

    /// How many lines; nil is the server's default, the newest 100.
    public var limit: Limit?
    /// Only what stands behind a line: its `cursor`. Then there is no limit.
    public var after: String?
    /// Not before this time.
    public var since: Timestamp?
    /// Not after this time.
    public var until: Timestamp?
    /// Only this stream.
    public var stream: LogLine.Stream?
    /// Only this release, `v1`.
    public var release: String?
    /// Only lines in whose text a regular expression is found.
    public var grep: String?
    /// With `cursor` in each line.
    public var cursors = false
    /// With `bytes` in each line that is not UTF-8.
    public var bytes = false
    /// Go on with new lines until the reader stops.
    public var follow = false

    /// The newest 100 lines.
    public init() {}

    var query: String {
        PercentEncoding.query([
            ("limit", limitText), ("after", after), ("since", since?.description), ("until", until?.description),
            ("stream", stream?.rawValue), ("release", release), ("grep", grep),
            ("cursors", cursors ? "true" : nil), ("bytes", bytes ? "true" : nil), ("follow", follow ? "true" : nil),
        ])
    }

    private var limitText: String? {
        switch limit {
        case .newest(let count): String(count)
        case .all: "all"
        case nil: nil
        }
    }
}
