// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import Testing

@testable import LinuxSystem

@Suite struct RecordFileTests {
    private static func withFile(_ body: (inout RecordFile) throws -> Void) throws {
        let directory = "/tmp/paas-record-\(getpid())-\(UInt32.random(in: .min ... .max))"
        try #require(mkdir(directory, 0o700) == 0)
        defer { DirectoryTree.remove(directory) }
        var file = RecordFile(path: directory + "/one.record")
        try body(&file)
    }

    private static func bytes(of file: RecordFile) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(filePath: file.path)))
    }

    private static func inode(of file: RecordFile) throws -> UInt64 {
        var status = stat()
        try #require(stat(file.path, &status) == 0)
        return UInt64(status.st_ino)
    }

    @Test func lastRecordCountsAndTheFileStaysTheSame() throws {
        try Self.withFile { file in
            try file.write(Array("zero".utf8))
            let inode = try Self.inode(of: file)
            for record in ["one", "", "three, longer", "4"] {
                try file.write(Array(record.utf8))
                #expect(try RecordFile.record(in: Self.bytes(of: file)) == Array(record.utf8))
            }
            #expect(try Self.inode(of: file) == inode)
        }
    }

    /// Whatever the place was that the writer died in, and however far it came.
    @Test(arguments: [2, 3], [0, 1, 14, 40, 300])
    func halfARecordLeavesTheOneBefore(_ writes: Int, _ kept: Int) throws {
        try Self.withFile { file in
            var before: [UInt8] = []
            for number in 1...writes {
                before = try number == 1 ? [] : Self.bytes(of: file)
                try file.write([UInt8](repeating: UInt8(number), count: 1_000))
            }
            var torn = before
            let after = try Self.bytes(of: file)
            let changed = zip(before, after).enumerated().filter { $1.0 != $1.1 }.map(\.offset)
            let first = try #require(changed.first)
            torn.replaceSubrange(first..<(first + kept), with: after[first..<(first + kept)])
            let found = RecordFile.record(in: torn)
            #expect(found?.count == 1_000 && found?.first == UInt8(writes - 1))
        }
    }

    @Test func recordThatHasGrownGetsALargerFile() throws {
        try Self.withFile { file in
            for size in [10, 5_000, 100, 40_000, 39_000, 7] {
                let record = [UInt8](repeating: UInt8(ascii: "x"), count: size)
                try file.write(record)
                #expect(try RecordFile.record(in: Self.bytes(of: file)) == record)
            }
        }
    }

    @Test func fileOfAnEarlierWriterIsReplacedAndAMissingOneMadeAgain() throws {
        try Self.withFile { file in
            for number in 1...3 { try file.write([UInt8(number)]) }
            var next = RecordFile(path: file.path)
            try next.write([9])
            #expect(try RecordFile.record(in: Self.bytes(of: next)) == [9])
            unlink(file.path)
            #expect(throws: SystemError.self) { try next.write([10]) }
            try next.write([11])
            #expect(try RecordFile.record(in: Self.bytes(of: next)) == [11])
        }
    }

    @Test(arguments: [
        "", "{\"half", "paas-record 1 1 2", "paas-record 1 1 ffffffffffffffff 0\n", "paas-record 2 1 0 0\n",
    ])
    func anythingElseIsNoRecord(_ text: String) {
        #expect(RecordFile.record(in: Array(text.utf8) + [UInt8](repeating: 0, count: 200)) == nil)
        #expect(RecordFile.record(in: Array(text.utf8)) == nil)
    }
}
