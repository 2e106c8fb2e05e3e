// SPDX-License-Identifier: Apache-2.0

/// One line that an app wrote, or the platform wrote about it; an object of `paas logs --json`.
public struct LogLine: Codable, Hashable, Sendable {
    /// Where a line came from.
    public enum Stream: String, Codable, CaseIterable, Hashable, Sendable {
        /// The app's standard output.
        case stdout
        /// The app's standard error.
        case stderr
        /// The platform: started, exited, and why.
        case system
        /// The router: a request that it answered. In a log of its own, see `GET /apps/{app}/logs?stream=access`.
        case access
    }

    /// When the agent read it.
    public var time: Timestamp
    /// Where it came from.
    public var stream: Stream
    /// The instance, `web.1`.
    public var instance: String
    /// The release, `v1`.
    public var release: String
    /// The line without its newline. Bytes that are not UTF-8 are replaced by U+FFFD.
    public var text: String
    /// The line was cut: the next line of the same stream continues it.
    public var partial: Bool?
    /// Where to go on behind this line; only when it was asked for.
    public var cursor: String?
    /// The line as the app wrote it, where it is not UTF-8, in base64; only when it was asked for.
    public var bytes: String?

    /// Creates a line.
    public init(
        time: Timestamp, stream: Stream, instance: String, release: String, text: String, partial: Bool? = nil
    ) {
        self.time = time
        self.stream = stream
        self.instance = instance
        self.release = release
        self.text = text
        self.partial = partial
    }
}
