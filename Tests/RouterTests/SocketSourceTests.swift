// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore
import Synchronization
import Testing

@testable import Router

/// Instances that are not reached by their address.
@Suite(.timeLimit(.minutes(2)))
struct SocketSourceTests {
    private struct Unreachable: Error {}

    /// A connected TCP socket, as a run's connector hands it out.
    private static func connect(to port: Int) throws -> CInt {
        let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard number >= 0, result == 0 else { throw Unreachable() }
        return number
    }

    /// Nothing listens there.
    private static let nowhere = 1

    @Test func aSocketIsTakenBeforeTheAddressAndKeptForTheNextRequest() async throws {
        let backend = try await Backend.echo()
        let port = backend.port
        try await withRouter(sockets: { upstream, eventLoop, _ in
            #expect(upstream.id == "i-inside")
            return eventLoop.makeCompletedFuture { try Self.connect(to: port) }
        }) { router in
            let inside = Upstream(id: "i-inside", host: "127.0.0.1", port: Self.nowhere)
            router.table.set(app: "inside", route: Route(state: .ready, upstreams: [inside]))
            let wire = try await router.connect()
            for _ in 0..<2 {
                try await wire.send("GET /apps/inside/ HTTP/1.1\r\nHost: router.test\r\n\r\n")
                let answer = try await wire.receiveMessage()
                #expect(answer.status == 200)
            }
            await wire.close()
            #expect(backend.acceptedConnections == 1)
        }
        try await backend.stop()
    }

    @Test func anInstanceWithoutASocketIsReachedByItsAddress() async throws {
        let backend = try await Backend.echo()
        try await withRouter(["outside": backend], sockets: { _, _, _ in nil }) { router in
            let answer = try await router.get("/apps/outside/")
            #expect(answer.status == 200)
        }
        try await backend.stop()
    }

    /// A name may stand for an address of IPv6 first, where this app does not listen.
    @Test func anInstanceMayBeReachedByAHostName() async throws {
        let backend = try await Backend.echo()
        try await withRouter { router in
            let named = Upstream(id: "i-named", host: "localhost", port: backend.port)
            let unknown = Upstream(id: "i-unknown", host: "no-such-host.invalid", port: 1)
            router.table.set(app: "named", route: Route(state: .ready, upstreams: [named]))
            router.table.set(app: "unknown", route: Route(state: .ready, upstreams: [unknown]))
            let (found, lost) = (try await router.get("/apps/named/"), try await router.get("/apps/unknown/"))
            #expect(found.status == 200 && lost.status == 502)
        }
        try await backend.stop()
    }

    @Test func clientsComeByIPv6Too() async throws {
        let backend = try await Backend.echo()
        try await withRouter(["web": backend], configure: { $0.host = "::1" }) { router in
            let wire = try await Wire.connect(port: router.port, host: "::1")
            try await wire.send("GET /apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n")
            let answer = try await wire.receiveMessage()
            #expect(answer.contains("X-Forwarded-For: ::1\r\n"))
            await wire.close()
        }
        try await backend.stop()
    }

    @Test func aSocketThatCannotBeHadLeadsToAnotherInstanceOrTo502() async throws {
        let backend = try await Backend.echo()
        try await withRouter(sockets: { upstream, eventLoop, _ in
            upstream.id == "i-gone" ? eventLoop.makeFailedFuture(Unreachable()) : nil
        }) { router in
            let gone = Upstream(id: "i-gone", host: "127.0.0.1", port: backend.port)
            router.table.set(app: "gone", route: Route(state: .ready, upstreams: [gone]))
            let refused = try await router.get("/apps/gone/")
            #expect(refused.status == 502)
            router.table.set(app: "pair", route: Route(state: .ready, upstreams: [gone, backend.upstream("i-there")]))
            for _ in 0..<4 {
                let answer = try await router.get("/apps/pair/")
                #expect(answer.status == 200)
            }
        }
        try await backend.stop()
    }

    /// Of two instances one ended with a request in its kept connection; the other was not asked, and the client got 502.
    @Test func anInstanceThatEndedWithARequestInItsConnectionIsReplacedByAnother() async throws {
        let ending = try await Backend { wire, _ in
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst")
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.reset()
        }
        let other = try await Backend.fixed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother")
        let connections = Mutex(0)
        let port = ending.port
        try await withRouter(sockets: { upstream, eventLoop, _ in
            guard upstream.id == "i-ending" else { return nil }
            let isFirst = connections.withLock { count in
                count += 1
                return count == 1
            }
            return eventLoop.makeCompletedFuture {
                guard isFirst else { throw Unreachable() }
                return try Self.connect(to: port)
            }
        }) { router in
            let upstream = ending.upstream("i-ending")
            router.table.set(app: "pair", route: Route(state: .ready, upstreams: [upstream]))
            let wire = try await router.connect()
            try await wire.send("GET /apps/pair/ HTTP/1.1\r\nHost: router.test\r\n\r\n")
            #expect(try await wire.receiveMessage().body == "first")
            router.table.set(
                app: "pair", route: Route(state: .ready, upstreams: [upstream, other.upstream("i-other")]))
            // In turns, so that one of the two is led to the kept connection.
            for _ in 0..<2 {
                try await wire.send("GET /apps/pair/ HTTP/1.1\r\nHost: router.test\r\n\r\n")
                let answer = try await wire.receiveMessage()
                #expect(answer.status == 200 && answer.body == "other")
            }
            await wire.close()
            #expect(connections.withLock { $0 } == 2)
        }
        for backend in [ending, other] { try await backend.stop() }
    }
}
