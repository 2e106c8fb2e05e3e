// SPDX-License-Identifier: Apache-2.0

internal import AppLogs
internal import PaaSModel

/// A line as a message of syslog, RFC 5424:
/// `<14>1 2026-01-02T03:04:05.678901Z node shop web.1 stdout [paas@32473 release="v1"] text`.
enum SyslogMessage {
    /// Facility user (1); info for stdout, error for stderr, notice for the platform (section 6.2.1).
    private static func priority(_ stream: LogLine.Stream) -> Int {
        switch stream {
        case .stdout, .access: 8 + 6
        case .stderr: 8 + 3
        case .system: 8 + 5
        }
    }

    /// The messages of a batch.
    static func messages(_ batch: LogBatch, from origin: LogOrigin) -> [[UInt8]] {
        let (node, app) = (word(origin.node, atMost: 255), word(origin.app, atMost: 48))
        var messages: [[UInt8]] = []
        messages.reserveCapacity(batch.count)
        batch.forEach { record in
            var message = Array("<\(priority(record.stream))>1 ".utf8)
            message += record.time
            message += Array(" \(node) \(app) ".utf8)
            message += record.instance
            message += Array(" \(record.stream.rawValue) [paas@32473 release=\"".utf8)
            message += record.release
            message += Array((record.isFull ? "\"] " : "\" partial=\"true\"] ").utf8)
            message += record.text
            messages.append(message)
        }
        return messages
    }

    /// Visible ASCII of a length, never empty (section 6).
    private static func word(_ text: String, atMost length: Int) -> String {
        let bytes = text.utf8.prefix(length).map { (0x21...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }
        return bytes.isEmpty ? "-" : String(decoding: bytes, as: UTF8.self)
    }
}
