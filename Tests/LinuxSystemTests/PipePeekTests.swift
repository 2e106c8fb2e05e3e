// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import Testing

@Suite struct PipePeekTests {
    private func text(_ count: Int, _ buffer: UnsafeMutableRawBufferPointer) -> String {
        String(decoding: buffer[..<count], as: UTF8.self)
    }

    @Test func whatWasSeenStaysUntilItIsDiscarded() throws {
        var pipe = try Pipe()
        guard let writer = pipe.writer.take() else {
            Issue.record("a new pipe has no writer")
            return
        }
        let reader = pipe.takeReader()
        let peek = try PipePeek()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 8)
        defer { buffer.deallocate() }
        #expect(try peek.peek(reader, into: buffer) == 0)
        try writer.writeAll(Array("hello world".utf8))
        for _ in 0..<2 {
            let count = try peek.peek(reader, into: buffer)
            #expect(text(count, buffer) == "hello world")
        }
        try peek.discard(6, from: reader)
        let rest = try peek.peek(reader, into: buffer)
        #expect(text(rest, buffer) == "world")
        try peek.discard(100, from: reader)
        #expect(try peek.peek(reader, into: buffer) == 0)
    }

    @Test func bufferBoundsWhatIsSeen() throws {
        var pipe = try Pipe()
        guard let writer = pipe.writer.take() else {
            Issue.record("a new pipe has no writer")
            return
        }
        let reader = pipe.takeReader()
        try writer.writeAll(Array(repeating: UInt8(ascii: "x"), count: 50_000))
        let peek = try PipePeek()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1_000, alignment: 8)
        defer { buffer.deallocate() }
        #expect(try peek.peek(reader, into: buffer) == 1_000)
        #expect(try peek.peek(reader, into: buffer) == 1_000)
    }
}

@Suite struct MappedFileTests {
    @Test func nextMappingFindsWhatWasStored() throws {
        let path = "/tmp/paas-mapped-\(getpid())-\(UInt32.random(in: .min ... .max))"
        defer { unlink(path) }
        do {
            let file = try MappedFile(path: path, byteCount: 100)
            #expect(file.number(at: 8) == 0)
            file.setNumber(42, at: 8)
            file.bytes[50] = 7
        }
        let again = try MappedFile(path: path, byteCount: 100)
        #expect(again.number(at: 8) == 42)
        #expect(again.bytes[50] == 7)
    }

    @Test func missingDirectoryIsAnErrorThatNamesThePath() {
        let error = #expect(throws: SystemError.self) { try MappedFile(path: "/nowhere/x", byteCount: 8) }
        #expect(error?.errno == ENOENT)
        #expect(error?.path == "/nowhere/x")
    }
}

@Suite struct FileReplacementTests {
    @Test(arguments: [false, true])
    func contentsAreReplacedAndNothingIsLeft(sync: Bool) throws {
        let directory = "/tmp/paas-replace-\(getpid())-\(UInt32.random(in: .min ... .max))"
        try #require(mkdir(directory, 0o700) == 0)
        defer {
            unlink(directory + "/f")
            rmdir(directory)
        }
        for text in ["first, and longer", "second"] {
            try FileReplacement.replace(directory + "/f", with: Array(text.utf8), sync: sync)
            #expect(ProcFS.text(of: directory + "/f") == text)
        }
        #expect(access(directory + "/f.new", F_OK) != 0)
    }

    @Test func refusedWriteLeavesTheOldContents() throws {
        // /dev/full refuses every write, and so does a link to it under the temporary name.
        let path = "/tmp/paas-full-\(getpid())-\(UInt32.random(in: .min ... .max))"
        try FileReplacement.replace(path, with: Array("old".utf8))
        defer { unlink(path) }
        try #require(symlink("/dev/full", path + ".new") == 0)
        let error = #expect(throws: SystemError.self) { try FileReplacement.replace(path, with: Array("new".utf8)) }
        #expect(error?.errno == ENOSPC)
        #expect(ProcFS.text(of: path) == "old")
        #expect(access(path + ".new", F_OK) != 0)
    }
}
