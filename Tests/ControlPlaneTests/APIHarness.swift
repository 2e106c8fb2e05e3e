// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import PaaSModel
import ServiceLifecycle

@testable import ControlPlane

/// A real control plane on both of its listeners, as `paasd` runs it.
struct APIHarness: Sendable {
    /// What came back.
    struct Answer: Sendable {
        var status: UInt
        var headers: [String: String]
        var body: String

        func decoded<Value: Decodable>(_ type: Value.Type) throws -> Value {
            try JSONDecoder().decode(type, from: Data(body.utf8))
        }
    }

    static let token = "test-token-0123456789-0123456789-0123456789"

    let service: ControlPlaneService
    let directory: TemporaryDirectory
    let port: Int
    let socket: String
    let group: ServiceGroup

    /// Runs a test against a control plane that exists for it alone.
    static func run(
        maxStreams: Int = 16, maxBundleBytes: Int64 = 1 << 20,
        _ test: @escaping @Sendable (APIHarness) async throws -> Void
    ) async throws {
        let directory = try TemporaryDirectory()
        let bundles = try BundleStore(directory: directory.path + "/bundles", maxBytes: maxBundleBytes)
        let store = try SQLiteStore(path: directory.path + "/paas.db")
        let service = ControlPlaneService(store: store, bundles: bundles)
        let tokens = TokenAuthenticator(
            admin: AdminToken(token: token), service: service, limiter: FailureLimiter(capacity: 3))
        let agents = AgentClient()
        let api = ControlPlaneAPI(service: service, agents: agents, maxStreams: maxStreams)
        let (addresses, listening) = AsyncStream<APIServer.Address>.makeStream()
        let socket = directory.path + "/api.sock"
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let servers = [
            APIServer(.unixSocket(path: socket), api: api, rule: .peerCredentials, logger: logger) {
                listening.yield($0)
            },
            APIServer(
                .tcp(host: "127.0.0.1", port: 0), api: api, rule: .token(tokens), logger: logger
            ) { listening.yield($0) },
        ]
        let group = ServiceGroup(configuration: .init(services: servers, logger: logger))
        let outcome = await Task {
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await group.run() }
                var port = 0
                var seen = 0
                for await address in addresses {
                    if case .tcp(_, let number) = address { port = number }
                    seen += 1
                    if seen == servers.count { break }
                }
                let harness = APIHarness(
                    service: service, directory: directory, port: port, socket: socket, group: group)
                do {
                    try await test(harness)
                    await group.triggerGracefulShutdown()
                } catch {
                    await group.triggerGracefulShutdown()
                    throw error
                }
                try await tasks.waitForAll()
            }
        }.result
        service.stop()
        try await agents.shutdown()
        try store.close()
        try outcome.get()
    }

    func request(
        _ method: String, _ path: String, _ body: String? = nil, headers: [String: String] = [:], overTCP: Bool = false
    ) async throws -> Answer {
        let response = try await execute(method, path, body, headers: headers, overTCP: overTCP)
        let buffer = try await response.body.collect(upTo: 1 << 24)
        let fields = Dictionary(response.headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in first }
        return Answer(status: response.status.code, headers: fields, body: String(buffer: buffer))
    }

    /// The response with its body still to be read, for streams.
    func execute(
        _ method: String, _ path: String, _ body: String? = nil, headers: [String: String] = [:], overTCP: Bool = false
    ) async throws -> HTTPClientResponse {
        let base = overTCP ? "http://127.0.0.1:\(port)" : "http+unix://\(PercentEncoding.encode(socket))"
        var request = HTTPClientRequest(url: base + path)
        request.method = .RAW(value: method)
        if let body {
            request.body = .bytes(ByteBuffer(string: body))
            if headers["Content-Type"] == nil { request.headers.add(name: "Content-Type", value: "application/json") }
        }
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        return try await HTTPClient.shared.execute(request, timeout: .seconds(60))
    }

    /// Registers the node of the tests.
    func register(_ node: Node = .sample) async throws {
        let body = String(decoding: try JSONEncoder().encode(node), as: UTF8.self)
        let answer = try await request("PUT", "/agent/v1/nodes/\(node.name)", body)
        guard answer.status == 200 else { throw Problem.malformed(answer.body) }
    }
}

/// Splits a streamed body into its lines.
struct LineReader {
    private var body: HTTPClientResponse.Body.AsyncIterator
    private var pending = ""

    init(_ response: HTTPClientResponse) { body = response.body.makeAsyncIterator() }

    /// The next line; nil at the end.
    mutating func next() async throws -> String? {
        while !pending.contains("\n") {
            guard let chunk = try await body.next() else { return nil }
            pending += String(buffer: chunk)
        }
        let end = pending.firstIndex(of: "\n") ?? pending.startIndex
        defer { pending = String(pending[pending.index(after: end)...]) }
        return String(pending[..<end])
    }
}
