// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Testing

@testable import Router

/// Route changes, drain, connection caps and shutdown.
@Suite(.timeLimit(.minutes(2)))
struct LifecycleTests {
    /// An app that answers with its name once it is told to.
    private static func gated(_ name: String, started: Received, proceed: Received) async throws -> Backend {
        try await Backend { wire, _ in
            while true {
                _ = try await wire.receive(until: "\r\n\r\n")
                await started.set("")
                _ = await proceed.value()
                try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: \(name.utf8.count)\r\n\r\n\(name)")
            }
        }
    }

    private static let request = "GET /apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n"

    @Test func switchKeepsOpenRequestsAndDrainWaitsForThem() async throws {
        let (started, proceed) = (Received(), Received())
        let old = try await Self.gated("old", started: started, proceed: proceed)
        let new = try await Backend.fixed("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew")
        try await withRouter { router in
            router.table.set(app: "web", route: Route(state: .ready, upstreams: [old.upstream("i-old")]))
            let wire = try await router.connect()
            try await wire.send(Self.request)
            _ = await started.value()
            router.table.set(app: "web", route: Route(state: .ready, upstreams: [new.upstream("i-new")]))
            let answer = try await router.get("/apps/web/")
            #expect(answer.body == "new")
            let left = await router.table.drain(upstreamID: "i-old", deadline: .zero)
            #expect(left == 1)
            async let drained = router.table.drain(upstreamID: "i-old", deadline: .seconds(3_600))
            await proceed.set("")
            let open = try await wire.receiveMessage()
            #expect(open.body == "old")
            #expect(await drained == 0)
            await wire.close()
        }
    }

    @Test func idleConnectionsToAnInstanceThatLeavesAreClosed() async throws {
        let ended = Received()
        let backend = try await Backend { wire, _ in
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await ended.set(try await wire.receiveAll())
        }
        try await withRouter(["web": backend]) { router in
            let wire = try await router.connect()
            try await wire.send(Self.request)
            _ = try await wire.receiveMessage()
            router.table.set(app: "web", route: Route(state: .starting(message: "restarting")))
            let rest = await ended.value()
            #expect(rest.isEmpty)
            await wire.close()
        }
    }

    @Test func idleUpstreamConnectionIsClosedAfterItsTime() async throws {
        let ended = Received()
        let backend = try await Backend { wire, _ in
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await ended.set(try await wire.receiveAll())
        }
        try await withRouter(["web": backend], configure: { $0.upstreamIdleTimeout = .milliseconds(30) }) { router in
            let wire = try await router.connect()
            try await wire.send(Self.request)
            _ = try await wire.receiveMessage()
            let rest = await ended.value()
            #expect(rest.isEmpty)
            await wire.close()
        }
    }

    @Test func connectionsBeyondTheCapAreClosed() async throws {
        try await withRouter(configure: { $0.limits.connectionsPerAddress = 2 }) { router in
            let (first, second) = (try await router.connect(), try await router.connect())
            for wire in [first, second] {
                try await wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                let answer = try await wire.receiveMessage()
                #expect(answer.status == 200)
            }
            let third = try await router.connect()
            let nothing = try? await third.receiveAll()
            #expect(nothing?.isEmpty ?? true)
            await first.close()
            // The place is free once the router has seen the end; until then it goes on refusing.
            var answer = ""
            while answer.isEmpty { answer = (try? await router.get("/")) ?? "" }
            #expect(answer.status == 200)
            await second.close()
        }
    }

    @Test func gracefulShutdownEndsOpenRequestsAndFreesTheAddress() async throws {
        let (started, proceed) = (Received(), Received())
        let backend = try await Self.gated("done", started: started, proceed: proceed)
        let table = RouteTable()
        table.set(app: "web", route: Route(state: .ready, upstreams: [backend.upstream()]))
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let server = RouterServer(
            configuration: RouterConfiguration(host: "127.0.0.1", port: 0), table: table,
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: logger)
        let group = ServiceGroup(configuration: .init(services: [.init(service: server)], logger: logger))
        let running = Task { try await group.run() }
        let port = try await server.boundAddress.port ?? 0
        let (busy, idle) = (try await Wire.connect(port: port), try await Wire.connect(port: port))
        // Accepted, its request still under way.
        let new = try await Wire.connect(port: port)
        try await idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        _ = try await idle.receiveMessage()
        try await busy.send(Self.request)
        _ = await started.value()
        await group.triggerGracefulShutdown()
        let rest = try await idle.receiveAll()
        #expect(rest.isEmpty)
        try await new.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        let late = try await new.receiveAll()
        #expect(late.status == 200 && late.values("connection") == ["close"])
        await new.close()
        await proceed.set("")
        let answer = try await busy.receiveAll()
        #expect(answer.body == "done" && answer.values("connection") == ["close"])
        await busy.close()
        try await running.value
        await #expect(throws: (any Error).self) { try await Wire.connect(port: port) }
    }

    /// The router closed while the end of the answer waited for the client, who then missed up to 64 KiB of it.
    @Test(arguments: [false, true])
    func aSlowClientGetsTheEndOfItsAnswer(beforeTheRouterLeaves isLeaving: Bool) async throws {
        let length = 4 << 20
        let backend = try await Backend { wire, _ in
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: \(length)\r\n\r\n")
            try await wire.send(ByteBuffer(repeating: 0x61, count: length))
            _ = try await wire.receiveAll()
        }
        try await withRouter(["web": backend]) { router in
            let wire = try await router.connect()
            try await wire.setReading(false)
            try await wire.send(Self.request)
            let isRecorded = Counter()
            let recording = Task {
                for await _ in router.records {
                    isRecorded.add(1)
                    break
                }
            }
            // Read by read, so that the router is never far ahead when it has the whole answer.
            while isRecorded.value == 0 {
                wire.channel.read()
                try await Task.sleep(for: .microseconds(100))
            }
            await recording.value
            if isLeaving { router.server.handOver(grace: .zero) } else { try await wire.closeOutput() }
            try await Task.sleep(for: .milliseconds(20))
            // It fails where NIO has read to the end by itself.
            try? await wire.setReading(true)
            let answer = try await wire.receiveAll()
            #expect(answer.utf8.count > length)
            await wire.close()
        }
    }

    @Test func addressInUseIsNamed() async throws {
        let backend = try await Backend.echo()
        let server = RouterServer(
            configuration: RouterConfiguration(host: "127.0.0.1", port: backend.port), table: RouteTable(),
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test"))
        let error = await #expect(throws: RouterError.self) { try await server.run() }
        #expect(error?.description.contains("127.0.0.1:\(backend.port)") == true)
        #expect(error?.description.contains("Address already in use") == true)
        await #expect(throws: RouterError.self) { try await server.boundAddress }
    }
}
