// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
public import PaaSModel

/// Lines that were read together, as they stand in a segment.
public struct LogBatch: Sendable {
    /// What a reader is told that no writer wrote.
    enum Notice: String {
        case missingLines = "lines are missing here: the log was full, and they went before they were read"
        case damagedLines = "lines are missing here: the compressed file that has them is damaged"
    }

    private struct Entry {
        /// The record without its newline, in `bytes`.
        var range: Range<Int>
        /// Offset behind it in the segment.
        var end: Int64
    }

    private let segment: UInt64
    private var bytes: [UInt8] = []
    private var entries: [Entry] = []

    init(segment: UInt64) { self.segment = segment }

    static func notice(of notice: Notice, before position: LogPosition) -> LogBatch {
        var time = RecordTime()
        time.set(.now)
        var batch = LogBatch(segment: position.segment)
        let record = time.text + Array(" system F - - \(notice.rawValue)".utf8)
        record.withUnsafeBytes { batch.add($0[...], endingAt: position.offset) }
        return batch
    }

    mutating func add(_ record: Slice<UnsafeRawBufferPointer>, endingAt end: Int64) {
        let start = bytes.count
        bytes.append(contentsOf: record)
        entries.append(Entry(range: start..<bytes.count, end: end))
    }

    /// No line is in it; never so in a batch that was read.
    public var isEmpty: Bool { entries.isEmpty }

    /// Number of lines.
    public var count: Int { entries.count }

    /// Where to go on behind all of them.
    public var end: LogPosition { LogPosition(segment: segment, offset: entries.last?.end ?? 0) }

    /// The lines.
    public var lines: [LogLine] {
        bytes.withUnsafeBytes { bytes in
            entries.compactMap { LogRecord(UnsafeRawBufferPointer(rebasing: bytes[$0.range])).map { LogLine($0) } }
        }
    }

    /// One line as it stands in the segment.
    public struct Record {
        /// RFC 3339 in UTC with microseconds.
        public let time: UnsafeRawBufferPointer
        /// Where it came from.
        public let stream: LogLine.Stream
        /// The line ends here; otherwise the next one of its stream continues it.
        public let isFull: Bool
        /// `web.1`.
        public let instance: UnsafeRawBufferPointer
        /// `v1`.
        public let release: UnsafeRawBufferPointer
        /// Any bytes but a newline.
        public let text: UnsafeRawBufferPointer
    }

    /// Calls a function with each line; what it is given lives as long as the call.
    public func forEach(_ body: (Record) -> Void) {
        bytes.withUnsafeBytes { bytes in
            for entry in entries {
                let line = UnsafeRawBufferPointer(rebasing: bytes[entry.range])
                guard let record = LogRecord(line) else { continue }
                body(
                    Record(
                        time: UnsafeRawBufferPointer(rebasing: line[..<RecordTime.length]), stream: record.stream,
                        isFull: record.isFull, instance: record.instance, release: record.release, text: record.text))
            }
        }
    }

    /// What the objects of ``json(_:)`` have beside the fields of a `LogLine`.
    public struct JSONOptions: Sendable {
        /// `cursor`, the first field: what stands here, a slash, and where to go on behind the line.
        public var cursorPrefix: String?
        /// `bytes`, base64, for a text that is not UTF-8.
        public var withBytes = false

        /// Nothing.
        public init() {}
    }

    /// The lines as objects of JSON, each with a newline.
    public func json(_ options: JSONOptions) -> [UInt8] {
        var json: [UInt8] = []
        json.reserveCapacity(bytes.count + entries.count * 96)
        bytes.withUnsafeBytes { bytes in
            for entry in entries {
                guard let record = LogRecord(UnsafeRawBufferPointer(rebasing: bytes[entry.range])) else { continue }
                let time = bytes[entry.range].prefix(RecordTime.length - 4)
                let cursor = options.cursorPrefix.map { "\($0)/\(LogPosition(segment: segment, offset: entry.end))" }
                JSONLine.append(record, time: time, cursor: cursor, withBytes: options.withBytes, to: &json)
            }
        }
        return json
    }
}

/// A record as an object of JSON, the same as a `LogLine` encoded, some twenty times faster.
enum JSONLine {
    /// - Parameter time: of the record, with milliseconds and without its `Z`.
    static func append(
        _ record: LogRecord, time: Slice<UnsafeRawBufferPointer>, cursor: String?, withBytes: Bool,
        to json: inout [UInt8]
    ) {
        json.append(UInt8(ascii: "{"))
        if let cursor { json.append(contentsOf: #""cursor":"\#(cursor)","#.utf8) }
        if withBytes, !isPlain(record.text), String(validating: record.text, as: UTF8.self) == nil {
            json.append(contentsOf: #""bytes":"\#(Data(record.text).base64EncodedString())","#.utf8)
        }
        json.append(contentsOf: #""instance":""#.utf8)
        json.append(contentsOf: record.instance)
        json.append(contentsOf: (record.isFull ? #"","release":""# : #"","partial":true,"release":""#).utf8)
        json.append(contentsOf: record.release)
        json.append(contentsOf: #"","stream":"\#(record.stream.rawValue)","text":""#.utf8)
        if isPlain(record.text) {
            json.append(contentsOf: record.text)
        } else {
            escape(record.text, to: &json)
        }
        json.append(contentsOf: #"","time":""#.utf8)
        json.append(contentsOf: time)
        json.append(contentsOf: "Z\"}\n".utf8)
    }

    /// The bytes stand in a string of JSON as they are.
    private static func isPlain(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.allSatisfy { $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
    }

    private static func escape(_ bytes: UnsafeRawBufferPointer, to json: inout [UInt8]) {
        // Bytes that are not UTF-8 become U+FFFD here.
        for byte in String(decoding: bytes, as: UTF8.self).utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): json += [UInt8(ascii: "\\"), byte]
            case 0x09: json += [UInt8(ascii: "\\"), UInt8(ascii: "t")]
            case 0x0D: json += [UInt8(ascii: "\\"), UInt8(ascii: "r")]
            case 0x00..<0x20:
                let digits = Array("0123456789abcdef".utf8)
                json += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: json.append(byte)
            }
        }
    }
}
