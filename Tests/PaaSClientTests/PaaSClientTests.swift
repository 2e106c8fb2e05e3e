// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import PaaSModel
import Synchronization
import Testing

@testable import PaaSClient

@Suite struct PaaSClientTests {
    static func withClient(
        _ endpoint: APIEndpoint, token: String? = nil, _ body: (PaaSClient) async throws -> Void
    ) async throws {
        let client = try PaaSClient(
            endpoint: endpoint, token: token, eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
        do {
            try await body(client)
        } catch {
            try await client.shutdown()
            throw error
        }
        try await client.shutdown()
    }

    static func tcp(_ server: TestServer) -> APIEndpoint { .tcp(base: "http://127.0.0.1:\(server.port ?? 0)") }

    static func app() throws -> App {
        App(
            id: "a-1", name: try AppName(validating: "demo"), command: .shell("./server"), status: .running,
            instances: 1, release: "v1", createdAt: Timestamp(microseconds: 0), updatedAt: Timestamp(microseconds: 0))
    }

    static func json(_ value: some Encodable) throws -> String {
        String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
    }

    @Test func requestCarriesTokenPathAndBody() async throws {
        let seen = Mutex<[TestServer.Request]>([])
        let wanted = try Self.app()
        let answer = try Self.json(wanted)
        try await TestServer.run { request in
            seen.withLock { $0.append(request) }
            return .whole(.ok, answer)
        } _: { server in
            try await Self.withClient(Self.tcp(server), token: "t0ken") { client in
                var spec = AppSpec()
                spec.instances = 2
                let app = try await client.patch("we/ird", spec, redeploy: true)
                #expect(app == wanted)
            }
        }
        let request = try #require(seen.withLock { $0.first })
        #expect(request.method == .PATCH)
        #expect(request.uri == "/apps/we%2Fird?redeploy=true")
        #expect(request.headers["authorization"] == ["Bearer t0ken"])
        #expect(request.headers["content-type"] == ["application/json"])
        #expect(String(decoding: request.body, as: UTF8.self) == #"{"instances":2}"#)
    }

    @Test func unixSocketIsReachedWithAHostHeader() async throws {
        let path = "/tmp/paas-client-\(UInt32.random(in: 0...UInt32.max)).sock"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let host = Mutex<[String]>([])
        try await TestServer.run(socket: path) { request in
            host.withLock { $0 = request.headers["host"] }
            return .whole(.ok, "[]")
        } _: { _ in
            try await Self.withClient(.unix(path: path)) { client in
                let apps = try await client.apps()
                #expect(apps.isEmpty)
            }
        }
        #expect(host.withLock { $0 } == ["localhost"])
    }

    @Test func problemKeepsItsSentenceAndStatus() async throws {
        let problem = Problem(
            type: "/problems/app-not-found", title: "No such app", status: 404, detail: "there is no app 'x'")
        let answer = try Self.json(problem)
        try await TestServer.run { _ in
            .whole(.notFound, answer, type: "application/problem+json")
        } _: { server in
            try await Self.withClient(Self.tcp(server)) { client in
                let error = await #expect(throws: ClientError.self) { try await client.app("x") }
                guard case .problem(problem) = error else {
                    Issue.record("\(String(describing: error))")
                    return
                }
            }
        }
    }

    @Test func errorOfAnotherServerStillNamesItsStatus() async throws {
        try await TestServer.run { _ in
            .whole(.badGateway, "<html>", type: "text/html")
        } _: { server in
            try await Self.withClient(Self.tcp(server)) { client in
                let error = await #expect(throws: ClientError.self) { try await client.apps() }
                #expect(error?.description.contains("502") == true)
                #expect(error?.isTransient == true)
            }
        }
    }

    @Test func answerThatIsNotTheApiIsAProtocolError() async throws {
        try await TestServer.run { _ in
            .whole(.ok, "<html>welcome</html>")
        } _: { server in
            try await Self.withClient(Self.tcp(server)) { client in
                let error = await #expect(throws: ClientError.self) { try await client.apps() }
                guard case .protocolError = error else {
                    Issue.record("\(String(describing: error))")
                    return
                }
            }
        }
    }

    @Test func missingSocketIsUnreachableWithItsPath() async throws {
        try await Self.withClient(.unix(path: "/tmp/there-is-no-such.sock")) { client in
            let error = await #expect(throws: ClientError.self) { try await client.apps() }
            #expect(error?.description == "no answer from unix:/tmp/there-is-no-such.sock: there is no such socket")
        }
    }

    @Test func refusedConnectionSaysSo() async throws {
        // Bound and never listening, so that no other test can get the port meanwhile.
        let bound = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(bound) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try #require(bind(bound, $0, length) == 0 && getsockname(bound, $0, &length) == 0)
            }
        }
        let port = UInt16(bigEndian: address.sin_port)
        try await Self.withClient(.tcp(base: "http://127.0.0.1:\(port)")) { client in
            let error = await #expect(throws: ClientError.self) { try await client.apps() }
            #expect(error?.description == "no answer from http://127.0.0.1:\(port): connection refused")
        }
    }

    @Test func tokenThatWouldSplitTheHeaderIsRefused() {
        #expect(throws: ClientError.self) {
            try PaaSClient(
                endpoint: .unix(path: "/x"), token: "a\r\nX: y", eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
        }
    }
}
