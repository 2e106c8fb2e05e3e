// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PaaSModel

/// Records on their way to a segment, in one piece of memory that all writers of a thread share: none of them keeps a
/// record between two calls.
final class RecordBuffer {
    /// Records are written when so many bytes wait.
    static let flushBytes = 131_072
    private static let capacity = flushBytes + LogRecord.maxTextBytes + 1_024
    /// Longest time, infix and tag.
    private static let maxHeadBytes = 256

    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 64)
    private let head = UnsafeMutableRawBufferPointer.allocate(byteCount: maxHeadBytes, alignment: 64)
    /// Bytes in front of the text of the next record.
    private(set) var headBytes = 0
    /// Where `F` or `P` stands in them.
    private let markOffset = RecordTime.length + 8
    /// Bytes that wait.
    private(set) var count = 0
    /// Records that wait.
    private(set) var records = 0

    deinit {
        memory.deallocate()
        head.deallocate()
    }

    /// What waits.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[..<count]) }

    /// Sets what the next records begin with.
    ///
    /// - Parameter tag: see ``LogSource/tag``, at most 130 bytes.
    func setHead(time: [UInt8], stream: LogLine.Stream, tag: [UInt8]) {
        let infix = LogRecord.infix(stream, isFull: true)
        headBytes = 0
        time.withUnsafeBytes(addToHead)
        addToHead(UnsafeRawBufferPointer(start: infix.utf8Start, count: infix.utf8CodeUnitCount))
        tag.withUnsafeBytes(addToHead)
    }

    private func addToHead(_ part: UnsafeRawBufferPointer) {
        UnsafeMutableRawBufferPointer(rebasing: head[headBytes...]).copyMemory(from: part)
        headBytes += part.count
    }

    /// Adds a record; the caller flushes in time, so that there always is room for one.
    func add(_ text: UnsafeRawBufferPointer, isFull: Bool) {
        guard let target = memory.baseAddress, let head = head.baseAddress else { return }
        let record = target + count
        memcpy(record, head, headBytes)
        if !isFull { (record + markOffset).storeBytes(of: UInt8(ascii: "P"), as: UInt8.self) }
        if let source = text.baseAddress { memcpy(record + headBytes, source, text.count) }
        (record + headBytes + text.count).storeBytes(of: 0x0A, as: UInt8.self)
        count += headBytes + text.count + 1
        records += 1
    }

    /// Puts a record in front of those that wait.
    func insertFirst(_ record: [UInt8]) {
        guard let base = memory.baseAddress, count + record.count <= memory.count else { return }
        memmove(base + record.count, base, count)
        UnsafeMutableRawBufferPointer(memory).copyBytes(from: record)
        count += record.count
    }

    func removeAll() {
        count = 0
        records = 0
    }
}
