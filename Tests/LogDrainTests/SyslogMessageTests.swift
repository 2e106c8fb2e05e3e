// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import LinuxSystem
import Logging
import PaaSModel
import Testing

@testable import AppLogs
@testable import LogDrain

/// A log in a directory of its own.
final class SmallLog: Sendable {
    static let source = LogSource(instanceID: "i-1", instance: "web.1", release: "v3")
    let directory = FileManager.default.temporaryDirectory.path + "/log-drain-" + UUID().uuidString
    let store: LogStore

    init() throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        store = LogStore(directory: directory + "/logs")
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func append(_ text: String, to writer: AppLogWriter, stream: LogLine.Stream = .stdout) {
        Array(text.utf8).withUnsafeBytes {
            writer.append($0, stream: stream, from: Self.source, at: Timestamp(microseconds: 1_767_323_045_678_901))
        }
    }

    func batch() async throws -> LogBatch {
        var lines = try store.lines(LogQuery(limit: nil), of: "a-1", following: false).makeAsyncIterator()
        return try #require(try await lines.nextBatch())
    }
}

@Suite struct SyslogMessageTests {
    @Test func messageHasEveryFieldOfRFC5424() async throws {
        let log = try SmallLog()
        let writer = try log.store.writer(for: "a-1")
        log.append("hello \u{1B}[0m\n", to: writer)
        log.append(String(repeating: "x", count: 20_000) + "\n", to: writer, stream: .stderr)
        writer.system("ended", from: SmallLog.source, at: Timestamp(microseconds: 1_767_323_046_000_000))
        let messages = SyslogMessage.messages(try await log.batch(), from: LogOrigin(app: "shop", node: "box 1"))
        let texts = messages.map { String(decoding: $0, as: UTF8.self) }
        #expect(texts.count == 4)
        #expect(
            texts[0]
                == "<14>1 2026-01-02T03:04:05.678901Z box?1 shop web.1 stdout [paas@32473 release=\"v3\"] hello \u{1B}[0m"
        )
        #expect(
            texts[1].hasPrefix(
                "<11>1 2026-01-02T03:04:05.678901Z box?1 shop web.1 stderr [paas@32473 release=\"v3\" partial=\"true\"] xxx"
            ))
        #expect(
            texts[2].hasPrefix(
                "<11>1 2026-01-02T03:04:05.678901Z box?1 shop web.1 stderr [paas@32473 release=\"v3\"] xxx"))
        #expect(
            texts[3] == "<13>1 2026-01-02T03:04:06.000000Z box?1 shop web.1 system [paas@32473 release=\"v3\"] ended")
    }

    @Test(arguments: [
        "none", "syslog+tcp://logs.example:514", "syslog+udp://[::1]:5514", "syslog+unix:///dev/log",
        "https://logs.example/in?x=1",
    ]) func addressIsReadAsItIsWritten(text: String) {
        #expect(LogDrainAddress(text)?.description == text)
    }

    @Test(arguments: [
        "", "logs:514", "syslog+tcp://host", "syslog+tcp://host:0", "syslog+tcp://:514", "syslog+unix://dev/log",
        "http://",
        "syslog+tcp://a b:1", "syslog+tcp://host/x:1", "ftp://x",
    ]) func whatIsNoAddressIsNone(text: String) {
        #expect(LogDrainAddress(text) == nil)
    }
}

/// Takes batches, and refuses some.
private actor FlakyCollector: DrainSink {
    private(set) var lines: [String] = []
    private var refusals: Int
    private var waiter: (count: Int, continuation: CheckedContinuation<Void, Never>)?

    init(refusals: Int) { self.refusals = refusals }

    func deliver(_ batch: LogBatch, from origin: LogOrigin) throws {
        // It has them, and the sender never hears of it.
        lines += batch.lines.map(\.text)
        if let waiter, Set(lines).count >= waiter.count {
            waiter.continuation.resume()
            self.waiter = nil
        }
        if refusals > 0 {
            refusals -= 1
            throw SystemError(operation: "send", errno: ECONNRESET)
        }
    }

    func wait(for count: Int) async {
        if Set(lines).count >= count { return }
        await withCheckedContinuation { waiter = (count, $0) }
    }
}

@Suite(.timeLimit(.minutes(5))) struct AppDrainTests {
    private func drain(_ log: SmallLog, to sink: any DrainSink) -> AppDrain {
        AppDrain(
            appID: "a-1", app: "shop", node: "box", logs: log.store, sink: sink,
            cursor: DrainCursor(path: log.directory + "/cursor"),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test func everyLineArrivesAtLeastOnceAndInOrder() async throws {
        let log = try SmallLog()
        let writer = try log.store.writer(for: "a-1")
        for number in 0..<2_000 { log.append("line \(number)\n", to: writer) }
        let collector = FlakyCollector(refusals: 3)
        let task = Task { [drain = drain(log, to: collector)] in await drain.run() }
        await collector.wait(for: 2_000)
        for number in 2_000..<2_500 { log.append("line \(number)\n", to: writer) }
        await collector.wait(for: 2_500)
        task.cancel()
        await task.value
        var seen = Set<String>()
        let firsts = await collector.lines.filter { seen.insert($0).inserted }
        #expect(firsts == (0..<2_500).map { "line \($0)" })
    }

    @Test func nextAgentGoesOnWhereTheLastOneHadToStop() async throws {
        let log = try SmallLog()
        let writer = try log.store.writer(for: "a-1")
        log.append("one\ntwo\n", to: writer)
        let first = FlakyCollector(refusals: 0)
        let task = Task { [drain = drain(log, to: first)] in await drain.run() }
        await first.wait(for: 2)
        // The cursor is written after the delivery, so wait for it and not for the lines.
        while DrainCursor(path: log.directory + "/cursor").position == nil { await Task.yield() }
        task.cancel()
        await task.value
        log.append("three\n", to: writer)
        let second = FlakyCollector(refusals: 0)
        let next = Task { [drain = drain(log, to: second)] in await drain.run() }
        await second.wait(for: 1)
        next.cancel()
        await next.value
        #expect(await second.lines == ["three"])
    }

    @Test func endsWithTheLogAndForgetsIt() async throws {
        let log = try SmallLog()
        log.append("one\n", to: try log.store.writer(for: "a-1"))
        let collector = FlakyCollector(refusals: 0)
        let task = Task { [drain = drain(log, to: collector)] in await drain.run() }
        await collector.wait(for: 1)
        try log.store.remove("a-1")
        await task.value
        #expect(DrainCursor(path: log.directory + "/cursor").position == nil)
    }
}

@Suite struct CollectorSocketTests {
    @Test func endedConnectionIsNoDelivery() throws {
        let listener = try TCPSocket.listenOnLoopback(port: 0)
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener.rawValue, $0, &size) }
        }
        let socket = try CollectorSocket.connect(
            host: "127.0.0.1", port: Int(UInt16(bigEndian: address.sin_port)), isStream: true)
        var accepted: Int32 = -1
        while accepted < 0 { accepted = accept(listener.rawValue, nil, nil) }
        try socket.send(Array("one".utf8))
        try socket.waitUntilAcknowledged()
        close(accepted)
        #expect(throws: SystemError.self) {
            try socket.send(Array("two".utf8))
            try socket.waitUntilAcknowledged()
        }
    }

    @Test func nobodyListeningIsSaid() {
        #expect(throws: SystemError.self) {
            _ = try CollectorSocket.connect(host: "127.0.0.1", port: 1, isStream: true)
        }
        #expect(throws: SystemError.self) { _ = try CollectorSocket.connect(datagramsTo: "/nonexistent/log") }
    }
}
