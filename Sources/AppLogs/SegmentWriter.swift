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

    private let directory: SegmentDirectory
    private let buffer: RecordBuffer
    private let write: Write
    /// Called before a segment begins, with the bytes that it will have.
    private let willBegin: (Int) throws(SystemError) -> Void
    /// How much is kept; the next segment that begins heeds it.
    var retention: LogRetention
    private var file: SegmentFile?
    private var index: SegmentIndexWriter?
    private var number: UInt64 = 0
    private var fileBytes = 0
    private var clock = RecordTime()
    private var lastTime = Timestamp(microseconds: .min)
    /// Time of the segment's first record; nil when it is empty.
    private var firstTime: Timestamp?
    private var stream = LogLine.Stream.system
    private var tag: [UInt8] = Array("- - ".utf8)
    private var release: UInt32?

    /// Records dropped since the last one that was written.
    private(set) var dropped = 0
    /// What the kernel said when it last refused; nil again when writing works.
    private(set) var failure: SystemError?

    /// Opens the newest segment, after its torn tail was repaired; without one, the first write creates one.
    ///
    /// - Parameter buffer: that of the thread; empty between any two calls.
    init(
        directory: SegmentDirectory, retention: LogRetention, buffer: RecordBuffer,
        willBegin: @escaping (Int) throws(SystemError) -> Void, write: @escaping Write
    ) throws(SystemError) {
        self.willBegin = willBegin
        self.directory = directory
        self.retention = retention
        self.buffer = buffer
        self.write = write
        try directory.create()
        try directory.removeTemporaries()
        let existing = try directory.numbers()
        guard let newest = existing.last else { return }
        guard directory.isPlain(newest) else {
            // Nothing is added to a compressed one; times have to go on behind it.
            number = newest
            try retention.makeRoom(0, in: directory, besides: newest)
            return
        }
        let file = try SegmentFile.append(to: newest, in: directory)
        let size = try TornTail.repair(file)
        let index = try SegmentIndexWriter(resuming: file, in: directory, size: size)
        self.file = file
        self.index = index
        self.number = newest
        self.fileBytes = Int(size)
        if size > 0, index.lastTime.microseconds > .min {
            self.lastTime = index.lastTime
            firstTime = index.lastTime
            clock.set(index.lastTime)
        }
        try retention.makeRoom(0, in: directory, besides: newest)
    }

    /// Where the next record goes, when nothing waits for ``flush()``.
    var position: LogPosition {
        // A new segment is yet to be begun: behind everything in this one.
        LogPosition(segment: number, offset: file == nil && fileBytes == 0 ? .max : Int64(fileBytes))
    }

    /// Bytes of all segments.
    var storedBytes: Int64 {
        ((try? directory.segments()) ?? []).reduce(0) { $0 + $1.bytes }
    }

    /// Says whose records come next, and when they were read.
    mutating func begin(_ stream: LogLine.Stream, tag: [UInt8], release: UInt32?, at time: Timestamp) {
        self.stream = stream
        self.tag = tag
        self.release = release
        setTime(time)
        buffer.setHead(time: clock.text, stream: stream, tag: tag)
    }

    /// Adds one record of whom ``begin(_:tag:release:at:)`` has said, at most ``LogRecord/maxTextBytes`` of text without a
    /// newline.
    mutating func add(_ text: UnsafeRawBufferPointer, isFull: Bool) {
        let length = buffer.headBytes + text.count + 1
        let bytes = fileBytes + buffer.count
        if bytes > 0, bytes + length > retention.segmentBytes {
            flush()
            beginSegment()
        }
        buffer.add(text, isFull: isFull)
        if index == nil { index = SegmentIndexWriter(nextNumber, in: directory) }
        index?.add(stream, release: release, bytes: length, at: lastTime)
        if buffer.count >= RecordBuffer.flushBytes { flush() }
    }

    private mutating func setTime(_ time: Timestamp) {
        if time == lastTime { return }
        if time < lastTime, time.microseconds > lastTime.microseconds - 1_000_000 { return }
        if time < lastTime || retention.isTooLong(from: firstTime, to: time) {
            flush()
            beginSegment()
        }
        lastTime = time
        clock.set(time)
    }

    /// The next write goes to a new segment, unless this one is empty.
    private mutating func beginSegment() {
        guard fileBytes > 0 else { return }
        index?.finish()
        index = nil
        file = nil
        fileBytes = 0
        firstTime = nil
    }

    /// Deletes what is too old, the newest segment too.
    ///
    /// - Returns: when the next segment will be, nil when none is left or none ever is too old.
    mutating func expire(at now: Timestamp) throws(SystemError) -> Timestamp? {
        let next = try retention.expire(in: directory, at: now)
        if let newest = try directory.numbers().last, newest == number { return next }
        beginSegment()
        return next
    }

    /// Writes everything that waits; never throws anything away that the disk takes.
    mutating func flush() {
        guard buffer.records > 0 else { return }
        let records = buffer.records
        let notice = dropped > 0 ? droppedNotice() : []
        if !notice.isEmpty {
            // The index has counted on other offsets.
            index?.giveUp()
            buffer.insertFirst(notice)
        }
        let bytes = buffer.bytes
        let written = store(bytes)
        if written == bytes.count {
            dropped = 0
            index?.flush()
        } else {
            index?.giveUp()
            let kept = bytes[..<written].count { $0 == 0x0A }
            let noticeKept = !notice.isEmpty && kept > 0
            dropped = (noticeKept ? 0 : dropped) + records - (kept - (noticeKept ? 1 : 0))
        }
        buffer.removeAll()
    }

    /// Writes whole records; returns the bytes of those that are in the file.
    private mutating func store(_ batch: UnsafeRawBufferPointer) -> Int {
        let file: SegmentFile
        do throws(SystemError) {
            file = try openedFile()
        } catch {
            failure = error
            return 0
        }
        var written = 0
        var refusal: Int32?
        while written < batch.count, refusal == nil {
            let count = write(file.descriptorNumber, UnsafeRawBufferPointer(rebasing: batch[written...]))
            if count >= 0 { written += count } else if count != -Int(EINTR) { refusal = Int32(-count) }
        }
        firstTime = firstTime ?? lastTime
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
        // Before the new one is there, so that an app never has more than its share, and on a full disk there is room.
        try retention.makeRoom(retention.segmentBytes, in: directory, besides: nil)
        try willBegin(retention.segmentBytes)
        let next = max(nextNumber, (try directory.numbers().last ?? 0) + 1)
        if next != nextNumber { index?.giveUp() }
        let opened = try SegmentFile.append(to: next, in: directory)
        file = opened
        number = next
        return opened
    }

    private var nextNumber: UInt64 { file == nil ? number + 1 : number }

    private func droppedNotice() -> [UInt8] {
        let why = failure.map { SystemError.name(ofErrno: $0.errno) } ?? "the disk refused them"
        let text = "\(dropped) log line\(dropped == 1 ? " was" : "s were") dropped: \(why)"
        // The time of the oldest record that waits: the notice stands before it.
        return Array(buffer.bytes.prefix(RecordTime.length)) + Array(" system F ".utf8) + tag + Array(text.utf8) + [
            0x0A
        ]
    }
}

/// Repair of a segment whose last write was cut off, by a crash of the agent or of the machine.
enum TornTail {
    /// Makes the file end with a whole record: a tail that is recognisably a record gets its newline, any other goes.
    ///
    /// - Returns: the size afterwards.
    static func repair(_ file: SegmentFile) throws(SystemError) -> Int64 {
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
        return end
    }

    private static func newline(_ file: SegmentFile) -> Bool {
        var byte: UInt8 = 0x0A
        return Glibc.write(file.descriptorNumber, &byte, 1) == 1
    }
}
