// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import Testing

@testable import Router

/// Large bodies, slow ends and tunnels.
@Suite(.timeLimit(.minutes(3)))
struct StreamingTests {
    /// More than every buffer between the two ends may hold, kernel included.
    private static let total = 256 << 20
    private static let block = ByteBuffer(repeating: 0x61, count: 1 << 18)

    /// Writes `total` bytes, counting what the socket has taken.
    private static func writeAll(to wire: Wire, counting written: Counter) async throws {
        while written.value < total {
            try await wire.send(block)
            written.add(block.readableBytes)
        }
    }

    /// Waits until the counter is at its end or has not moved for a second.
    private static func untilStalled(_ counter: Counter) async throws {
        var last = -1
        while counter.value != last, counter.value < total {
            last = counter.value
            try await Task.sleep(for: .seconds(1))
        }
    }

    /// Without back-pressure the router would take everything, however long that takes.
    @Test func clientThatDoesNotReadStopsTheApp() async throws {
        let written = Counter()
        let backend = try await Backend { wire, _ in
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: \(Self.total)\r\n\r\n")
            try await Self.writeAll(to: wire, counting: written)
            _ = try await wire.receiveAll()
        }
        try await withRouter(["web": backend]) { router in
            let wire = try await router.connect()
            try await wire.setReading(false)
            try await wire.send("GET /apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n")
            while written.value == 0 { await Task.yield() }
            try await Self.untilStalled(written)
            #expect(written.value < 64 << 20)
            try await wire.setReading(true)
            let head = try await wire.receive(until: "\r\n\r\n")
            #expect(head.status == 200)
            let received = try await wire.discard(count: Self.total)
            #expect(received == Self.total)
            await wire.close()
        }
    }

    @Test func clientThatTakesNothingForTooLongIsCutOff() async throws {
        let backend = try await Backend { wire, _ in
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: \(Self.total)\r\n\r\n")
            try await Self.writeAll(to: wire, counting: Counter())
        }
        try await withRouter(["web": backend], configure: { $0.sendTimeout = .milliseconds(300) }) { router in
            let wire = try await router.connect()
            try await wire.setReading(false)
            try await wire.send("GET /apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n")
            var records = router.records.makeAsyncIterator()
            let record = await records.next()
            #expect(record?.status == 200 && record?.isCut == true && record?.client == "127.0.0.1")
            // In order it would end only when the client has taken what the kernel holds for it.
            _ = await #expect(throws: (any Error).self) {
                try await wire.setReading(true)
                _ = try await wire.receiveAll()
            }
            await wire.close()
        }
    }

    /// Nobody's request was under way, so no time ran: the pages waited for ever.
    @Test func clientThatAsksForPagesAndTakesNoneIsCutOff() async throws {
        try await withRouter(configure: { $0.sendTimeout = .milliseconds(300) }) { router in
            let wire = try await router.connect()
            try await wire.setReading(false)
            let requests = String(repeating: "GET / HTTP/1.1\r\nHost: nobody.localhost\r\n\r\n", count: 100_000)
            // The router reads no more of them than it can answer; megabytes of the rest the kernel may take.
            await #expect(throws: (any Error).self) { for _ in 1...16 { try await wire.send(requests) } }
            await wire.close()
        }
    }

    @Test func appThatDoesNotReadStopsTheClient() async throws {
        let proceed = Received()
        let backend = try await Backend { wire, _ in
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.setReading(false)
            _ = await proceed.value()
            try await wire.setReading(true)
            let count = try await wire.discard(count: Self.total)
            try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\(count)")
        }
        try await withRouter(["web": backend]) { router in
            let wire = try await router.connect()
            try await wire.send("POST /apps/web/ HTTP/1.1\r\nHost: a\r\nContent-Length: \(Self.total)\r\n\r\n")
            let written = Counter()
            async let writing: Void = Self.writeAll(to: wire, counting: written)
            try await Self.untilStalled(written)
            #expect(written.value < 64 << 20)
            await proceed.set("")
            try await writing
            let answer = try await wire.receiveMessage()
            #expect(answer.body == "\(Self.total)")
            await wire.close()
        }
    }

    @Test func bytesMoveInBothDirectionsAtOnce() async throws {
        let backend = try await Backend { wire, _ in
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in 1...3 {
                let chunk = try await wire.receive(until: "\r\nping\r\n")
                try await wire.send(chunk)
            }
            _ = try await wire.receive(until: "0\r\n\r\n")
            try await wire.send("0\r\n\r\n")
        }
        try await withRouter(["web": backend]) { router in
            let wire = try await router.connect()
            try await wire.send("POST /apps/web/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            _ = try await wire.receive(until: "\r\n\r\n")
            for _ in 1...3 {
                try await wire.send("4\r\nping\r\n")
                let echo = try await wire.receive(until: "\r\nping\r\n")
                #expect(echo == "4\r\nping\r\n")
            }
            try await wire.send("0\r\n\r\n")
            _ = try await wire.receive(until: "0\r\n\r\n")
            await wire.close()
        }
    }

    private static let upgrade =
        "GET /apps/web/chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"

    @Test func tunnelLosesNoByteAroundTheSwitch() async throws {
        let backend = try await Backend { wire, _ in
            let head = try await wire.receive(until: "\r\n\r\n")
            guard head.values("upgrade") == ["websocket"], head.values("connection") == ["Upgrade"] else { return }
            try await wire.send(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhi")
            while true { try await wire.send(try await wire.receive(count: 5)) }
        }
        try await withRouter(["web": backend]) { router in
            let wire = try await router.connect()
            try await wire.send(Self.upgrade + "early")
            let head = try await wire.receive(until: "\r\n\r\n")
            #expect(head.status == 101 && head.values("upgrade") == ["websocket"])
            let first = try await wire.receive(count: 7)
            #expect(first == "hiearly")
            // Not HTTP any more: what looks like a request is passed on as it is.
            try await wire.send("GET /\n")
            let second = try await wire.receive(count: 5)
            #expect(second == "GET /")
            #expect(router.table.inFlight(upstreamID: "i-web") == 1)
            await wire.close()
            var records = router.records.makeAsyncIterator()
            let record = await records.next()
            #expect(record?.status == 101 && record?.upstreamID == "i-web")
            #expect(router.table.inFlight(upstreamID: "i-web") == 0)
        }
    }

    @Test func eachSideOfATunnelMayEndFirst() async throws {
        let backend = try await Backend { wire, _ in
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            let text = try await wire.receiveAll()
            try await wire.send("got \(text)")
        }
        try await withRouter(["web": backend]) { router in
            let wire = try await router.connect()
            try await wire.send(Self.upgrade)
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.send("last words")
            try await wire.closeOutput()
            let answer = try await wire.receiveAll()
            #expect(answer == "got last words")
        }
    }

    /// Its connection, and what waited in it, stayed for as long as the app lived.
    @Test func anAppThatTakesNothingFromATunnelWhoseClientHasGoneIsReset() async throws {
        let ended = Received()
        let backend = try await Backend { wire, _ in
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.setReading(false)
            try await wire.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            try? await wire.channel.closeFuture.get()
            await ended.set("")
        }
        try await withRouter(["web": backend], configure: { $0.sendTimeout = .milliseconds(50) }) { router in
            let wire = try await router.connect()
            try await wire.send(Self.upgrade)
            _ = try await wire.receive(until: "\r\n\r\n")
            // More than everybody on the way takes.
            wire.channel.writeAndFlush(ByteBuffer(repeating: 0x61, count: 32 << 20), promise: nil)
            while wire.channel.isWritable { await Task.yield() }
            try await Task.sleep(for: .milliseconds(100))
            try await wire.reset()
            _ = await ended.value()
        }
    }

    @Test func refusedUpgradeIsAnOrdinaryAnswer() async throws {
        let backend = try await Backend.echo()
        try await withRouter(["web": backend]) { router in
            let wire = try await router.connect()
            for request in [Self.upgrade, "GET /apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n"] {
                try await wire.send(request)
                let answer = try await wire.receiveMessage()
                #expect(answer.status == 200)
            }
            await wire.close()
        }
    }

    @Test func upgradeToHTTP2IsNotOffered() async throws {
        let backend = try await Backend.echo()
        try await withRouter(["web": backend]) { router in
            let answer = try await router.exchange(
                "GET /apps/web/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n"
                    + "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n")
            #expect(answer.status == 200)
            #expect(answer.body.values("upgrade").isEmpty && answer.body.values("http2-settings").isEmpty)
        }
    }
}

/// A number that several tasks see.
final class Counter: Sendable {
    private let count = Atomic(0)

    var value: Int { count.load(ordering: .sequentiallyConsistent) }

    func add(_ number: Int) { count.add(number, ordering: .sequentiallyConsistent) }
}
