// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import PaaSModel
import Testing

@testable import AppLogs

/// What an app prints is in its log once, whenever the agent dies.
@Suite struct RunCaptureTests {
    private let directory: TemporaryDirectory
    private let logs: LogStore
    private let fifos: FIFOs
    private var journalPath: String { directory.path + "/capture" }

    init() throws {
        directory = try TemporaryDirectory()
        logs = LogStore(directory: directory.path + "/logs")
        fifos = try FIFOs(in: directory.path)
    }

    /// FIFOs as `paas-init` holds them: their contents outlive every reader.
    private final class FIFOs {
        let stdout: OwnedDescriptor
        let stderr: OwnedDescriptor

        init(in directory: String) throws {
            for name in ["stdout", "stderr"] { try #require(mkfifo("\(directory)/\(name)", 0o600) == 0) }
            stdout = try OwnedDescriptor.open(directory + "/stdout", O_RDWR | O_NONBLOCK)
            stderr = try OwnedDescriptor.open(directory + "/stderr", O_RDWR | O_NONBLOCK)
        }

        func print(_ text: String) throws { try stdout.writeAll(Array(text.utf8)) }
    }

    /// One life of an agent: everything that it has in memory.
    private final class Life {
        let capture: RunCapture
        let writer: AppLogWriter
        private let fifos: FIFOs

        init(_ test: RunCaptureTests) throws {
            fifos = test.fifos
            capture = RunCapture(source: .web1, journalPath: test.journalPath, tools: try RunCapture.Tools())
            try #require(capture.journalFailure == nil)
            try capture.undoInterruptedWrite(in: test.logs, appID: "a-1")
            writer = try test.logs.writer(for: "a-1")
            try capture.resume(stdout: fifos.stdout, stderr: fifos.stderr, into: writer)
        }

        @discardableResult
        func read() throws -> Bool {
            try capture.read(.stdout, from: fifos.stdout, into: writer, chunks: 16, at: .base)
        }
    }

    private func texts() throws -> [String] { try logs.reader(for: "a-1").texts() }

    /// The steps of one chunk, of which the last one that was done is the agent's last.
    private enum LastStep: CaseIterable {
        case peeked, loggingNoted, half, logged, discardingNoted, discarded, settled
    }

    /// Takes a chunk as ``RunCapture/read(_:from:into:chunks:at:)`` does, and dies on the way.
    private func takeChunk(_ life: Life, dyingAfter last: LastStep) throws {
        let tools = try RunCapture.Tools()
        let journal = try CaptureJournal(path: journalPath).stream(0)
        let count = try tools.peek.peek(fifos.stdout, into: tools.buffer)
        let chunk = UnsafeRawBufferPointer(rebasing: tools.buffer[..<count])
        if last == .peeked { return }
        journal.beginLogging(at: life.writer.position)
        if last == .loggingNoted { return }
        if last == .half {
            // The kernel took a part of the write.
            let half = UnsafeRawBufferPointer(rebasing: chunk.prefix(count / 2))
            return life.writer.append(half, stream: .stdout, from: .web1, at: .base)
        }
        life.writer.append(chunk, stream: .stdout, from: .web1, at: .base)
        if last == .logged { return }
        journal.beginDiscarding(
            count: count, hash: CaptureJournal.hash(chunk), rest: life.writer.rest(of: .web1, .stdout))
        if last == .discardingNoted { return }
        try tools.peek.discard(count, from: fifos.stdout)
        if last == .discarded { return }
        journal.settle()
    }

    @Test(arguments: LastStep.allCases)
    private func everyLineIsThereOnceWhateverTheAgentDidLast(_ last: LastStep) throws {
        try fifos.print("one\ntwo\nthr")
        try Life(self).read()
        try fifos.print("ee\nfour\nfive\nsi")
        try takeChunk(Life(self), dyingAfter: last)
        try fifos.print("x\nseven\n")
        let next = try Life(self)
        try next.read()
        #expect(try texts() == ["one", "two", "three", "four", "five", "six", "seven"])
        #expect(next.writer.rest(of: .web1, .stdout).bytes.isEmpty)
    }

    @Test func repeatedLinesOfWhichOneWasTakenOutAreAllThere() throws {
        try fifos.print("tick\n")
        try takeChunk(Life(self), dyingAfter: .discarded)
        try fifos.print("tock\n")
        try Life(self).read()
        #expect(try texts() == ["tick", "tock"])
    }

    @Test func beginningOfALineThatWasShownIsNotShownAgain() throws {
        try fifos.print("wai")
        let first = try Life(self)
        #expect(try first.read())
        first.capture.flushPartials(into: first.writer, at: .base)
        try fifos.print("ting\n")
        let second = try Life(self)
        #expect(try !second.read())
        let lines = try logs.reader(for: "a-1").query(LogQuery())
        #expect(lines.map(\.text) == ["wai", "ting"])
        #expect(lines.map(\.partial) == [true, nil])
    }

    @Test func openLineIsEndedOnceAlsoWhenTheEndIsRepeated() throws {
        try fifos.print("last words")
        let first = try Life(self)
        try first.read()
        first.capture.finish(into: first.writer, at: .base)
        let second = try Life(self)
        second.capture.finish(into: second.writer, at: .base)
        #expect(try texts() == ["last words"])
    }

    @Test func interruptedWriteIsTakenBackOverASegmentsEnd() throws {
        let small = LogStore(
            directory: directory.path + "/logs", retention: LogRetention(segmentBytes: 200, segments: 10))
        let writer = try small.writer(for: "a-1")
        writer.append("kept\n")
        let journal = try CaptureJournal(path: journalPath).stream(0)
        journal.beginLogging(at: writer.position)
        for number in 0..<20 { writer.append("half \(number)\n") }
        let numbers = try SegmentDirectory(path: directory.path + "/logs/a-1").numbers()
        let next = try Life(self)
        #expect(try texts() == ["kept"])
        // A number that was given stays: a reader may have its file open.
        #expect(try SegmentDirectory(path: directory.path + "/logs/a-1").numbers() == numbers)
        next.writer.append("next\n")
        #expect(try texts() == ["kept", "next"])
    }

    /// Otherwise who reads again after the crash would be shown them twice.
    @Test func linesThatACrashMayTakeBackAreShownToNobody() async throws {
        try fifos.print("one\n")
        let life = try Life(self)
        try life.read()
        try fifos.print("two\n")
        let chunk = Array("two\n".utf8)
        let journal = try CaptureJournal(path: journalPath).stream(0)
        journal.beginLogging(at: life.writer.position)
        chunk.withUnsafeBytes { life.writer.append($0, stream: .stdout, from: .web1, at: .base, isVisible: false) }
        #expect(try texts() == ["one", "two"])
        func shown() async throws -> [String] {
            var texts: [String] = []
            for try await line in try logs.lines(LogQuery(), of: "a-1", following: false) { texts.append(line.text) }
            return texts
        }
        #expect(try await shown() == ["one"])
        let next = try Life(self)
        #expect(try await shown() == ["one"])
        try next.read()
        #expect(try await shown() == ["one", "two"])
    }

    @Test func floodOfOneFIFOIsReadInBoundedSteps() throws {
        let life = try Life(self)
        try fifos.print(String(repeating: "x\n", count: 30_000))
        _ = try life.capture.read(.stdout, from: fifos.stdout, into: life.writer, chunks: 1, at: .base)
        #expect(try texts().count == LogQuery.maxLimit || texts().count == 30_000)
    }

    /// A random flood with deaths at random steps: every number is there once and in order.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func numberedLinesSurviveManyDeaths(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var printed = 0
        var waiting = ""
        for _ in 0..<60 {
            while waiting.utf8.count < 2_000 {
                printed += 1
                waiting +=
                    "line \(printed) " + String(repeating: "·", count: Int.random(in: 0...40, using: &random)) + "\n"
            }
            // Cut anywhere, in the middle of a character too.
            let bytes = Array(waiting.utf8)
            let cut = Int.random(in: 0...bytes.count, using: &random)
            try fifos.stdout.writeAll(Array(bytes[..<cut]))
            waiting = String(decoding: bytes[cut...], as: UTF8.self)
            if waiting.utf8.elementsEqual(bytes[cut...]) == false {
                try fifos.stdout.writeAll(Array(bytes[cut...]))
                waiting = ""
            }
            try takeChunk(Life(self), dyingAfter: LastStep.allCases.randomElement(using: &random) ?? .settled)
        }
        try fifos.print(waiting)
        try Life(self).read()
        let numbers = try texts().map { Int($0.split(separator: " ")[1]) }
        #expect(numbers == (1...printed).map { $0 })
    }
}
