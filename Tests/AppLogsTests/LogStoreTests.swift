// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import PaaSModel
import Testing

@testable import AppLogs

@Suite(.timeLimit(.minutes(10))) struct LogStoreTests {
    private let directory: TemporaryDirectory
    private let store: LogStore

    init() throws {
        directory = try TemporaryDirectory()
        store = LogStore(directory: directory.path + "/logs")
    }

    @Test func appsHaveLogsOfTheirOwn() throws {
        try store.writer(for: "a-1").append("one\n")
        try store.writer(for: "a-2").append("two\n")
        #expect(try store.reader(for: "a-1").texts() == ["one"])
        #expect(try store.reader(for: "a-2").texts() == ["two"])
        #expect(try store.reader(for: "a-3").texts() == [])
    }

    @Test(arguments: ["", ".", "..", "a/b", "../x", "A", "a.b", "a b", "ä", "a\0", String(repeating: "a", count: 65)])
    func whatCouldLeaveTheDirectoryIsRefused(appID: String) {
        #expect(throws: AppLogError.invalidAppID(appID)) { try store.writer(for: appID) }
        #expect(throws: AppLogError.invalidAppID(appID)) { try store.reader(for: appID) }
        #expect(throws: AppLogError.invalidAppID(appID)) { try store.notifier(for: appID) }
        #expect(throws: AppLogError.invalidAppID(appID)) { try store.remove(appID) }
    }

    @Test func writerAndFollowersShareOneNotifier() async throws {
        let writer = try store.writer(for: "a-1")
        #expect(writer.notifier === (try store.notifier(for: "a-1")))
        var lines = try store.lines(LogQuery(), of: "a-1", following: true).makeAsyncIterator()
        writer.append("x\n")
        #expect(try await lines.next(isolation: nil)?.text == "x")
    }

    @Test func followersOfIdsThatNoAppHasLeaveNothingBehind() throws {
        let writer = try store.writer(for: "a-1")
        for number in 0..<1000 { _ = try store.lines(LogQuery(), of: "x-\(number)", following: true) }
        #expect(store.notifierCount <= 2)
        #expect(writer.notifier === (try store.notifier(for: "a-1")))
    }

    @Test func removingALogDeletesItAndEndsItsFollowers() async throws {
        try store.writer(for: "a-1").append("x\n")
        let notifier = try store.notifier(for: "a-1")
        let follower = Task {
            var count = 0
            for try await _ in try store.lines(LogQuery(), of: "a-1", following: true) { count += 1 }
            return count
        }
        while notifier.waiterCount == 0 { await Task.yield() }
        try store.remove("a-1")
        #expect(try await follower.value == 1)
        #expect(!FileManager.default.fileExists(atPath: directory.path + "/logs/a-1"))
        try store.remove("a-1")
    }

    @Test func removingSaysWhatElseIsInTheDirectory() throws {
        try store.writer(for: "a-1").append("x\n")
        try directory.write([1], to: "logs/a-1/notes")
        #expect {
            try store.remove("a-1")
        } throws: {
            "\($0)".contains("logs/a-1") && "\($0)".contains("see what else")
        }
    }

    @Test func withoutFollowingTheLinesEnd() async throws {
        try store.writer(for: "a-1").append("1\n2\n3\n")
        var texts: [String] = []
        for try await line in try store.lines(LogQuery(limit: 2), of: "a-1", following: false) {
            texts.append(line.text)
        }
        #expect(texts == ["2", "3"])
    }
}
