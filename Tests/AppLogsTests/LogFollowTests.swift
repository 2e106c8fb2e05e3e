// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import PaaSModel
import Testing

@testable import AppLogs

@Suite(.timeLimit(.minutes(10))) struct LogFollowTests {
    private let directory: TemporaryDirectory
    private let notifier = LogNotifier()
    private var reader: AppLogReader { AppLogReader(directory: directory.path) }

    init() throws { directory = try TemporaryDirectory() }

    private func writer(segmentBytes: Int = 1 << 20, segments: Int = 1000) throws -> AppLogWriter {
        try AppLogWriter(
            directory: directory.path, segmentBytes: segmentBytes, segments: segments, notifier: notifier)
    }

    @Test func followGivesTheQueryFirstAndThenEveryNewLine() async throws {
        let writer = try writer()
        writer.append("1\n2\n3\n")
        var lines = reader.follow(LogQuery(limit: 2), notifier: notifier).makeAsyncIterator()
        #expect(try await lines.next(isolation: nil)?.text == "2")
        #expect(try await lines.next(isolation: nil)?.text == "3")
        writer.append("4\n")
        #expect(try await lines.next(isolation: nil)?.text == "4")
    }

    @Test func followWithLimitZeroGivesOnlyNewLines() async throws {
        let writer = try writer()
        writer.append("old\n")
        var lines = reader.follow(LogQuery(limit: 0), notifier: notifier).makeAsyncIterator()
        async let first = lines.next(isolation: nil)?.text
        while notifier.waiterCount == 0 { await Task.yield() }
        writer.append("new\n")
        #expect(try await first == "new")
    }

    @Test func followBeginsBeforeTheFirstLineAndFilters() async throws {
        var lines = reader.follow(LogQuery(stream: .stderr, release: "v1"), notifier: notifier).makeAsyncIterator()
        async let first = lines.next(isolation: nil)?.text
        while notifier.waiterCount == 0 { await Task.yield() }
        let writer = try writer()
        writer.append("no\n")
        writer.append("no\n", stream: .stderr, from: LogSource(instanceID: "i-2", instance: "web.1", release: "v2"))
        writer.append("yes\n", stream: .stderr)
        #expect(try await first == "yes")
    }

    @Test func followEndsAtUntil() async throws {
        let writer = try writer()
        for second in 0..<10 { writer.append("\(second)\n", at: .base.advanced(bySeconds: Double(second))) }
        let query = LogQuery(until: .base.advanced(bySeconds: 4))
        var texts: [String] = []
        for try await line in reader.follow(query, notifier: notifier) { texts.append(line.text) }
        #expect(texts == ["0", "1", "2", "3"])
    }

    @Test func followEndsWhenTheLogIsFinished() async throws {
        let writer = try writer()
        writer.append("last\n")
        notifier.finish()
        var texts: [String] = []
        for try await line in reader.follow(LogQuery(), notifier: notifier) { texts.append(line.text) }
        #expect(texts == ["last"])
    }

    @Test func cancellingEndsAFollowerAndLeavesNoWaiter() async throws {
        try writer().append("only\n")
        let follower = Task {
            var count = 0
            for try await _ in reader.follow(LogQuery(), notifier: notifier) { count += 1 }
            return count
        }
        while notifier.waiterCount == 0 { await Task.yield() }
        follower.cancel()
        #expect(try await follower.value == 1)
        #expect(notifier.waiterCount == 0)
    }

    @Test(arguments: [(600, 1_500), (10_000, 10_000), (1 << 20, 10_000)])
    func everyFollowerSeesEveryLineOnceAcrossRotation(segmentBytes: Int, total: Int) async throws {
        let writer = try writer(segmentBytes: segmentBytes)
        writer.append("0\n")
        let numbers = try await withThrowingTaskGroup(of: [Int].self) { group in
            for follower in 0..<3 {
                group.addTask {
                    var seen: [Int] = []
                    for try await line in reader.follow(LogQuery(limit: 10), notifier: notifier) {
                        seen.append(Int(line.text) ?? -1)
                        if follower == 2, seen.count % 1000 == 0 { await Task.yield() }
                        if seen.last == total { break }
                    }
                    return seen
                }
            }
            while notifier.waiterCount < 3 { await Task.yield() }
            var random = SeededGenerator(seed: UInt64(segmentBytes))
            var next = 1
            while next <= total {
                let count = min(Int.random(in: 1...(segmentBytes < 1000 ? 3 : 300), using: &random), total + 1 - next)
                let bytes = Array((next..<next + count).map { "\($0)\n" }.joined().utf8)
                // Cut inside lines, as a pipe does.
                let cut = Int.random(in: 0...bytes.count, using: &random)
                writer.append(Array(bytes[..<cut]))
                writer.append(Array(bytes[cut...]))
                next += count
                if Int.random(in: 0..<4, using: &random) == 0 { await Task.yield() }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(numbers.count == 3)
        for seen in numbers { #expect(seen == Array(0...total)) }
    }

    @Test func aFollowerOvertakenByRotationGoesOnWithTheOldestThatIsLeft() async throws {
        let writer = try writer(segmentBytes: 1000, segments: 2)
        writer.append("0\n")
        var lines = reader.follow(LogQuery(), notifier: notifier).makeAsyncIterator()
        #expect(try await lines.next(isolation: nil)?.text == "0")
        for number in 1...500 { writer.append("\(number)\n") }
        var seen: [Int] = []
        var notices = 0
        while seen.last != 500, let line = try await lines.next(isolation: nil) {
            if line.stream == .system { notices += 1 } else { seen.append(Int(line.text) ?? -1) }
        }
        #expect(notices == 1)
        #expect(seen == seen.sorted())
        #expect(Set(seen).count == seen.count)
        #expect(seen.count < 500)
        #expect(seen.suffix(10) == Array(491...500)[...])
    }

    @Test func aRecordCutOffByAFullDiskIsNeverSeenHalf() async throws {
        let writer = try writer()
        writer.append("a\n")
        var lines = reader.follow(LogQuery(), notifier: notifier).makeAsyncIterator()
        #expect(try await lines.next(isolation: nil)?.text == "a")
        let whole = try directory.bytes(of: "00000001.log")
        try directory.write(whole + Array("2026-01-02T03:04:05.678901Z stdout F web.1 v1 tor".utf8), to: "00000001.log")
        async let next = lines.next(isolation: nil)?.text
        while notifier.waiterCount == 0 { await Task.yield() }
        try directory.write(whole, to: "00000001.log")
        try self.writer().append("b\n")
        #expect(try await next == "b")
    }
}
