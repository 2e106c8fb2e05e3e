// SPDX-License-Identifier: Apache-2.0

import Glibc
import PaaSModel
import Testing

@testable import AppLogs

/// write(2) on a disk with so much room: what fits is written, then ENOSPC.
private final class SmallDisk {
    var room = Int.max

    func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        guard room > 0 else { return -Int(ENOSPC) }
        let count = Glibc.write(descriptor, bytes.baseAddress, min(room, bytes.count))
        room -= count
        return count
    }
}

@Suite struct FullDiskTests {
    private let directory: TemporaryDirectory
    private let disk = SmallDisk()
    private let writer: AppLogWriter
    private var reader: AppLogReader { AppLogReader(directory: directory.path) }

    init() throws {
        directory = try TemporaryDirectory()
        writer = try AppLogWriter(
            directory: directory.path, retention: LogRetention(segmentBytes: 1 << 20, segments: 3),
            notifier: LogNotifier(), write: disk.write)
    }

    @Test func droppedLinesAreCountedAndToldOnceThereIsSpace() throws {
        writer.append("before\n")
        disk.room = 0
        for _ in 0..<3 { writer.append("lost\nlost too\n") }
        #expect(writer.droppedLines == 6)
        #expect(writer.failure?.description.contains("ENOSPC") == true)
        disk.room = .max
        writer.append("after\n")
        writer.append("more\n")
        #expect(try reader.texts() == ["before", "6 log lines were dropped: ENOSPC", "after", "more"])
        #expect(try reader.query(LogQuery(stream: .system)).map(\.instance) == ["web.1"])
        #expect(writer.droppedLines == 0)
        #expect(writer.failure == nil)
    }

    @Test(arguments: 1...150) func aWriteCutAnywhereLeavesWholeRecords(room: Int) throws {
        writer.append("before\n")
        disk.room = room
        writer.append("one\ntwo\n")
        #expect(try directory.bytes(of: "00000001.log").last == 0x0A)
        let kept = try reader.texts().count - 1
        #expect(writer.droppedLines == 2 - kept)
        disk.room = .max
        writer.append("after\n")
        let lost = 2 - kept
        let notice = ["\(lost) log line\(lost == 1 ? " was" : "s were") dropped: ENOSPC"]
        #expect(try reader.texts() == ["before"] + ["one", "two"].prefix(kept) + (lost > 0 ? notice : []) + ["after"])
    }

    @Test func theNoticeIsToldAgainWhenItWasCutItself() throws {
        disk.room = 0
        writer.append("lost\n")
        disk.room = 20
        writer.append("lost\n")
        #expect(writer.droppedLines == 2)
        disk.room = 100
        writer.append("lost, but its notice was written\n")
        #expect(try reader.texts() == ["2 log lines were dropped: ENOSPC"])
        #expect(writer.droppedLines == 1)
        disk.room = .max
        writer.append("after\n")
        #expect(try reader.texts().suffix(2) == ["1 log line was dropped: ENOSPC", "after"])
    }

    @Test func aDirectoryThatWasDeletedComesBackWithTheNextSegment() throws {
        let writer = try AppLogWriter(directory: directory.path, segmentBytes: 100, segments: 3)
        writer.append("a\n")
        for segment in try directory.segments() { unlink(directory.path + "/" + segment) }
        rmdir(directory.path)
        for _ in 0..<5 { writer.append("b\n") }
        #expect(try reader.texts().contains("b"))
        #expect(writer.failure == nil)
    }
}
