// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import NIOCore
import NIOPosix
import Testing

@testable import Router

/// One router gives its listening socket to another, as an agent does that is replaced.
@Suite(.timeLimit(.minutes(2)))
struct HandoverTests {
    private static let request = "GET /apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n"

    /// A socket that listens on a free port.
    private static func listen() throws -> (socket: Int32, port: Int) {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(socket, pointer, length) == 0 && Glibc.listen(socket, 100) == 0
                    && getsockname(socket, pointer, &length) == 0
            }
        }
        try #require(result)
        return (socket, Int(UInt16(bigEndian: address.sin_port)))
    }

    private static func router(_ socket: Int32, _ backend: Backend) -> RouterServer {
        let table = RouteTable()
        table.set(app: "web", route: Route(state: .ready, upstreams: [backend.upstream("i-web")]))
        return RouterServer(
            configuration: RouterConfiguration(host: "127.0.0.1", port: 0), table: table,
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test"),
            listeningSocket: socket)
    }

    @Test func idleConnectionGetsOneMoreAnswerAndNewOnesGoToTheSuccessor() async throws {
        let (socket, port) = try Self.listen()
        let oldApp = try await Backend.fixed("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold")
        let newApp = try await Backend.fixed("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew")
        defer { withExtendedLifetime((oldApp, newApp)) {} }
        let old = Self.router(socket, oldApp)
        let copy = dup(socket)
        let oldRun = Task { try await old.run() }
        _ = try await old.boundAddress
        // Accepted in their order: once the second has its answer, the first is the old router's too.
        let fresh = try await Wire.connect(port: port)
        try await fresh.send("GET /apps/web/ HTTP/1.1\r\n")
        let used = try await Wire.connect(port: port)
        try await used.send(Self.request)
        #expect(try await used.receiveMessage().body == "old")

        let new = Self.router(copy, newApp)
        old.handOver(grace: .seconds(3_600))
        let newRun = Task { try await new.run() }
        _ = try await new.boundAddress
        // Until the old one has stopped accepting, a connection may still be its own; each is answered.
        var answer = ""
        repeat {
            let wire = try await Wire.connect(port: port)
            try await wire.send(Self.request)
            answer = try await wire.receiveMessage().body
            await wire.close()
        } while answer != "new"

        for wire in [used, fresh] {
            try await wire.send(wire === fresh ? "Host: a\r\n\r\n" : Self.request)
            let last = try await wire.receiveAll()
            let name = wire === fresh ? "fresh" : "used"
            #expect(last.hasPrefix("HTTP/1.1 200") && last.hasSuffix("old"), "\(name): \(last)")
            #expect(last.lowercased().contains("connection: close"))
            await wire.close()
        }
        try await oldRun.value
        newRun.cancel()
        try await newRun.value
    }

    /// What used to happen: a stream was cut half a minute after the agent was replaced.
    @Test func streamGoesOnAfterTheGrace() async throws {
        let (socket, port) = try Self.listen()
        let proceed = Received()
        let app = try await Backend { wire, _ in
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none")
            _ = await proceed.value()
            try await wire.send("two")
        }
        defer { withExtendedLifetime(app) {} }
        let router = Self.router(socket, app)
        let run = Task { try await router.run() }
        _ = try await router.boundAddress
        let (stream, idle) = (try await Wire.connect(port: port), try await Wire.connect(port: port))
        try await stream.send(Self.request)
        #expect(try await stream.receive(until: "one").hasSuffix("one"))
        router.handOver(grace: .milliseconds(1))
        // The idle connection tells when the grace is over.
        #expect(try await idle.receiveAll() == "")
        await proceed.set("")
        #expect(try await stream.receiveAll() == "two")
        try await run.value
    }

    @Test func afterTheGraceIdleConnectionsAreClosed() async throws {
        let (socket, port) = try Self.listen()
        let app = try await Backend.fixed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        defer { withExtendedLifetime(app) {} }
        let router = Self.router(socket, app)
        let run = Task { try await router.run() }
        _ = try await router.boundAddress
        let idle = try await Wire.connect(port: port)
        try await idle.send(Self.request)
        _ = try await idle.receiveMessage()
        router.handOver(grace: .milliseconds(1))
        #expect(try await idle.receiveAll() == "")
        try await run.value
    }
}
