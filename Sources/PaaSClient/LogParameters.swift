// SPDX-License-Identifier: Apache-2.0

public import PaaSModel

/// Which log lines are wanted.
public struct LogParameters: Hashable, Sendable {
    /// The newest lines that match, at most 10,000; nil is the server's default, 100.
    public var limit: Int?
    /// Not before this time.
    public var since: Timestamp?
    /// Not after this time.
    public var until: Timestamp?
    /// Only this stream.
    public var stream: LogLine.Stream?
    /// Only this release, `v1`.
    public var release: String?
    /// Go on with new lines until the reader stops.
    public var follow = false

    /// The newest 100 lines.
    public init() {}

    var query: String {
        PercentEncoding.query([
            ("limit", limit.map(String.init)), ("since", since?.description), ("until", until?.description),
            ("stream", stream?.rawValue), ("release", release), ("follow", follow ? "true" : nil),
        ])
    }
}
