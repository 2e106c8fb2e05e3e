// SPDX-License-Identifier: Apache-2.0

public import PaaSModel

/// A line about one request, for ``AppLogWriter/access(_:)``.
public struct AccessLine: Sendable {
    /// The instance that worked on it.
    public var source: LogSource
    /// When the request was over.
    public var time: Timestamp
    /// No newline, at most 16 KiB.
    public var text: [UInt8]

    /// Creates a line.
    public init(source: LogSource, time: Timestamp, text: [UInt8]) {
        self.source = source
        self.time = time
        self.text = text
    }
}
