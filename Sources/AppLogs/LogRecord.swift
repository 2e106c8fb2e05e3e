// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PaaSModel

/// One record of a segment: `2026-01-02T03:04:05.678901Z stdout F web.1 v1 text` and a newline.
///
/// Time in UTC to the microsecond, stream, mark, instance and release, each followed by one space; all that follows is
/// the text, any bytes but a newline. Mark `F` ends a line, `P` says that the next record of the same stream and
/// instance continues it. The fields are views into the bytes that were parsed, and live as long as those.
struct LogRecord {
    /// Longest text of a record in bytes; longer lines are split.
    static let maxTextBytes = 16_384

    let time: Timestamp
    let stream: LogLine.Stream
    let isFull: Bool
    let instance: UnsafeRawBufferPointer
    let release: UnsafeRawBufferPointer
    let text: UnsafeRawBufferPointer

    /// Parses a record without its newline; nil when the bytes are not one (a damaged file).
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard let time = RecordTime.parse(bytes), bytes.count > RecordTime.length, bytes[RecordTime.length] == 0x20
        else { return nil }
        var rest = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(RecordTime.length + 1))
        func word() -> UnsafeRawBufferPointer? {
            guard let space = rest.offset(of: 0x20), space > 0 else { return nil }
            defer { rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(space + 1)) }
            return UnsafeRawBufferPointer(rebasing: rest.prefix(space))
        }
        guard let streamWord = word(), let stream = Self.stream(streamWord), let mark = word(), mark.count == 1,
            mark[0] == UInt8(ascii: "F") || mark[0] == UInt8(ascii: "P"), let instance = word(), let release = word()
        else { return nil }
        self.time = time
        self.stream = stream
        self.isFull = mark[0] == UInt8(ascii: "F")
        self.instance = instance
        self.release = release
        self.text = rest
    }

    /// ` stdout F `, what stands between time and instance.
    static func infix(_ stream: LogLine.Stream, isFull: Bool) -> StaticString {
        switch (stream, isFull) {
        case (.stdout, true): " stdout F "
        case (.stdout, false): " stdout P "
        case (.stderr, true): " stderr F "
        case (.stderr, false): " stderr P "
        case (.system, true): " system F "
        case (.system, false): " system P "
        case (.access, true): " access F "
        case (.access, false): " access P "
        }
    }

    private static func stream(_ word: UnsafeRawBufferPointer) -> LogLine.Stream? {
        if word.elementsEqual("stdout".utf8) { return .stdout }
        if word.elementsEqual("stderr".utf8) { return .stderr }
        if word.elementsEqual("system".utf8) { return .system }
        if word.elementsEqual("access".utf8) { return .access }
        return nil
    }
}

extension LogLine {
    /// Copies a record; bytes that are not UTF-8 become U+FFFD.
    init(_ record: LogRecord) {
        self.init(
            time: record.time, stream: record.stream, instance: String(decoding: record.instance, as: UTF8.self),
            release: String(decoding: record.release, as: UTF8.self),
            text: String(decoding: record.text, as: UTF8.self),
            partial: record.isFull ? nil : true)
    }
}

extension UnsafeRawBufferPointer {
    /// Offset of the first such byte (memchr(3)).
    func offset(of byte: UInt8) -> Int? {
        guard let base = baseAddress, let found = memchr(base, Int32(byte), count) else { return nil }
        return UnsafeRawPointer(found) - base
    }

    /// Offset of the last such byte; the C library's memrchr(3) is not visible to Swift.
    func lastOffset(of byte: UInt8) -> Int? { lastIndex(of: byte) }
}
