// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import NIOPosix

@testable import Router

/// A router on a free loopback port, for the time of one test.
struct RunningRouter {
    let server: RouterServer
    let table: RouteTable
    let port: Int
    /// Where it accepts TLS; 0 when it does not.
    let tlsPort: Int
    /// Every finished request, in order.
    let records: AsyncStream<AccessRecord>

    func connect() async throws -> Wire { try await Wire.connect(port: port) }

    /// Sends one request on a connection of its own, reads until the router closes.
    func exchange(_ request: String) async throws -> String {
        let wire = try await connect()
        try await wire.send(request)
        let answer = try await wire.receiveAll()
        await wire.close()
        return answer
    }

    /// `GET path` with `Connection: close` and further field lines.
    func get(_ path: String, fields: [String] = []) async throws -> String {
        let lines = ["GET \(path) HTTP/1.1", "Host: router.test:8080", "Connection: close"] + fields
        return try await exchange(lines.joined(separator: "\r\n") + "\r\n\r\n")
    }
}

/// Runs `body` beside a router; stops the router afterwards.
@discardableResult
func withRouter<Result>(
    _ apps: [String: Backend] = [:], sockets: UpstreamSocketSource? = nil, tls: RouterTLS? = nil,
    configure: (inout RouterConfiguration) -> Void = { _ in },
    _ body: (RunningRouter) async throws -> Result
) async throws -> Result {
    let table = RouteTable()
    for (name, backend) in apps {
        table.set(app: name, route: Route(state: .ready, upstreams: [backend.upstream("i-\(name)")]))
    }
    var configuration = RouterConfiguration(host: "127.0.0.1", port: 0)
    // Apps of tests share their threads with all tests: on a busy machine it may take seconds to accept.
    configuration.connectTimeout = .seconds(60)
    configure(&configuration)
    let (records, continuation) = AsyncStream<AccessRecord>.makeStream()
    let server = RouterServer(
        configuration: configuration, table: table, eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
        logger: Logger(label: "test"), sockets: sockets,
        tls: tls.map { RouterTLSListener(host: "127.0.0.1", port: 0, tls: $0) }, accessLog: { continuation.yield($0) })
    let task = Task { try await server.run() }
    let port = try await server.boundAddress.port ?? 0
    let tlsPort = tls == nil ? 0 : try await server.boundTLSAddress.port ?? 0
    let result: Swift.Result<Result, any Error>
    do {
        result = .success(
            try await body(RunningRouter(server: server, table: table, port: port, tlsPort: tlsPort, records: records)))
    } catch {
        result = .failure(error)
    }
    task.cancel()
    _ = try await task.value
    return try result.get()
}

extension String {
    /// The status of an HTTP answer.
    var status: Int? {
        split(separator: " ", maxSplits: 2).dropFirst().first.flatMap { Int($0) }
    }

    /// The values of a field in the first head.
    func values(_ field: String) -> [String] {
        let head = components("\r\n\r\n").first ?? ""
        return head.split(separator: "\r\n").compactMap { line in
            guard let colon = line.firstIndex(of: ":"), line[..<colon].lowercased() == field.lowercased() else {
                return nil
            }
            return String(line[line.index(after: colon)...].drop { $0 == " " })
        }
    }

    /// What follows the first head.
    var body: String { components("\r\n\r\n").dropFirst().joined(separator: "\r\n\r\n") }

    private func components(_ separator: String) -> [String] {
        var parts: [String] = []
        var current: [UInt8] = []
        let mark = Array(separator.utf8)
        for byte in utf8 {
            current.append(byte)
            if current.suffix(mark.count).elementsEqual(mark) {
                parts.append(String(decoding: current.dropLast(mark.count), as: UTF8.self))
                current = []
            }
        }
        return parts + [String(decoding: current, as: UTF8.self)]
    }
}
