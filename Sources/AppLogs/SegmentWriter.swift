// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem
internal import PaaSModel

/// Writes records to the newest segment, begins new ones, deletes old ones.
///
/// Records wait in memory until ``flush()``, then go out in one write(2). Within a segment times never go down, so
/// that readers can search: a clock set back by under a second is held, by more begins a new segment. When the disk
/// refuses a write, what did not fit is dropped whole records at a time, counted, and told in a system line once
/// writing works again.
struct SegmentWriter {
    /// write(2): bytes written, or a negative errno. Tests put a full disk here.
    typealias Write = (_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int

    private static let flushBytes = 131_072

    private let directory: SegmentDirectory
    private let segmentBytes: Int
    private let segments: Int
    private let write: Write
    private var file: SegmentFile?
    private var number: UInt64 = 0
    private var fileBytes = 0
    private var pending: [UInt8] = []
    private var pendingRecords = 0
    private var clock = RecordTime()
    private var lastTime = Timestamp(microseconds: .min)
    private var lastTag: [UInt8] = Array("- - ".utf8)

    /// Records dropped since the last one that was written.
    private(set) var dropped = 0
    /// What the kernel said when it last refused; nil again when writing works.
    private(set) var failure: SystemError?

    /// Opens the newest segment, after its torn tail was repaired; without one, the first write creates one.
    init(directory: SegmentDirectory, segmentBytes: Int, segments: Int, write: @escaping Write) throws(SystemError) {
        precondition(segmentBytes > 0 && segments > 0, "an app keeps at least one segment of at least one byte")
        self.directory = directory
        self.segmentBytes = segmentBytes
        self.segments = segments
        self.write = write
        try directory.create()
        let existing = try directory.numbers()
        guard let newest = existing.last else { return }
        let file = try SegmentFile.append(to: newest, in: directory)
        let repaired = try TornTail.repair(file)
        self.file = file
        self.number = newest
        self.fileBytes = Int(repaired.size)
        if let time = repaired.lastTime {
            self.lastTime = time
            clock.set(time)
        }
        for old in existing.dropLast(segments) { try directory.remove(old) }
    }

    /// Adds one record, at most ``LogRecord/maxTextBytes`` of text without a newline.
    mutating func add(
        _ text: UnsafeRawBufferPointer, stream: LogLine.Stream, isFull: Bool, tag: [UInt8], at time: Timestamp
    ) {
        setTime(time)
        let infix = LogRecord.infix(stream, isFull: isFull)
        let length = RecordTime.length + infix.utf8CodeUnitCount + tag.count + text.count + 1
        let bytes = fileBytes + pending.count
        if bytes > 0, bytes + length > segmentBytes {
            flush()
            beginSegment()
        }
        pending.append(contentsOf: clock.text)
        pending.append(contentsOf: UnsafeBufferPointer(start: infix.utf8Start, count: infix.utf8CodeUnitCount))
        pending.append(contentsOf: tag)
        pending.append(contentsOf: text)
        pending.append(0x0A)
        pendingRecords += 1
        lastTag = tag
        if pending.count >= Self.flushBytes { flush() }
    }

    private mutating func setTime(_ time: Timestamp) {
        if time == lastTime { return }
        if time < lastTime, time.microseconds > lastTime.microseconds - 1_000_000 { return }
        if time < lastTime {
            flush()
            beginSegment()
        }
        lastTime = time
        clock.set(time)
    }

    /// The next write goes to a new segment, unless this one is empty.
    private mutating func beginSegment() {
        guard fileBytes > 0 else { return }
        file = nil
        fileBytes = 0
    }

    /// Writes everything that waits; never throws anything away that the disk takes.
    mutating func flush() {
        guard pendingRecords > 0 else { return }
        let notice = dropped > 0 ? droppedNotice() : []
        let batch = notice.isEmpty ? pending : notice + pending
        let written = store(batch)
        let kept = batch[..<written].count { $0 == 0x0A }
        let noticeKept = !notice.isEmpty && kept > 0
        dropped = (noticeKept ? 0 : dropped) + pendingRecords - (kept - (noticeKept ? 1 : 0))
        pending.removeAll(keepingCapacity: true)
        pendingRecords = 0
    }

    /// Writes whole records; returns the bytes of those that are in the file.
    private mutating func store(_ batch: [UInt8]) -> Int {
        let file: SegmentFile
        do throws(SystemError) {
            file = try openedFile()
        } catch {
            failure = error
            return 0
        }
        var written = 0
        let refusal: Int32? = batch.withUnsafeBytes { bytes in
            while written < bytes.count {
                let count = write(file.descriptorNumber, UnsafeRawBufferPointer(rebasing: bytes.dropFirst(written)))
                if count >= 0 { written += count } else if count != -Int(EINTR) { return Int32(-count) }
            }
            return nil
        }
        guard let refusal else {
            failure = nil
            fileBytes += written
            return written
        }
        failure = SystemError(
            operation: "write", path: directory.path(of: number), errno: refusal,
            hint: "log lines are dropped and counted until there is space")
        let whole = batch[..<written].lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
        fileBytes += whole
        if whole < written {
            // Half a record must not stay in front of the next one. If even that fails, the next one goes elsewhere.
            do throws(SystemError) { try file.truncate(to: Int64(fileBytes)) } catch { beginSegment() }
        }
        return whole
    }

    private mutating func openedFile() throws(SystemError) -> SegmentFile {
        if let file { return file }
        try directory.create()
        let existing = try directory.numbers()
        // Before the new one is there, so that an app never has more than its share, and on a full disk there is room.
        for old in existing.dropLast(segments - 1) { try directory.remove(old) }
        let next = max(number, existing.last ?? 0) + 1
        let opened = try SegmentFile.append(to: next, in: directory)
        file = opened
        number = next
        return opened
    }

    private func droppedNotice() -> [UInt8] {
        let why = failure.map { SystemError.name(ofErrno: $0.errno) } ?? "the disk refused them"
        let text = "\(dropped) log line\(dropped == 1 ? " was" : "s were") dropped: \(why)"
        // The time of the oldest record that waits: the notice stands before it.
        return Array(pending.prefix(RecordTime.length)) + Array(" system F ".utf8) + lastTag + Array(text.utf8) + [0x0A]
    }
}

/// Repair of a segment whose last write was cut off, by a crash of the agent or of the machine.
enum TornTail {
    /// Makes the file end with a whole record: a tail that is recognisably a record gets its newline, any other goes.
    ///
    /// - Returns: the size afterwards, and the time of the last record.
    static func repair(_ file: SegmentFile) throws(SystemError) -> (size: Int64, lastTime: Timestamp?) {
        var end = try file.endOfWholeLines()
        let size = try file.size()
        if end < size {
            var tail = [UInt8](repeating: 0, count: Int(min(size - end, Int64(SegmentFile.blockBytes))))
            let count = try file.read(tail.count, at: end, into: &tail)
            let isRecord = size - end < SegmentFile.blockBytes && tail.withUnsafeBytes { LogRecord($0) != nil }
            // After a power failure the tail can be a hole of NUL bytes, which no record begins with.
            if isRecord, count == tail.count, newline(file) {
                end = size + 1
            } else {
                try file.truncate(to: end)
            }
        }
        var block = [UInt8](repeating: 0, count: SegmentFile.blockBytes)
        return (end, try SegmentSearch.lastTime(of: file, before: end, block: &block))
    }

    private static func newline(_ file: SegmentFile) -> Bool {
        var byte: UInt8 = 0x0A
        return Glibc.write(file.descriptorNumber, &byte, 1) == 1
    }
}
