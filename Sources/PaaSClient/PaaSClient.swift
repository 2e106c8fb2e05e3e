// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import FoundationEssentials
public import NIOCore
internal import NIOHTTP1
internal import NIOSSL
internal import PaaSModel
internal import Synchronization

/// Client of the control plane's API, for `paas` and `agent`.
///
/// Every method throws `ClientError`, or `CancellationError` when its task was cancelled. Nothing is retried. Methods
/// may be called from any number of tasks at once. ``shutdown()`` must be called before the last reference goes.
public final class PaaSClient: Sendable {
    /// Where the requests go.
    public let endpoint: APIEndpoint
    private let token: String?
    private let http: HTTPClient
    private let eventLoopGroup: any EventLoopGroup

    /// Largest answer that is not a stream: 64 MiB, some ten thousand apps.
    static let maxAnswerBytes = 64 << 20
    /// Time for an answer that is not a stream.
    static let requestTimeout = Duration.seconds(30)

    /// Creates a client; nothing is sent yet.
    ///
    /// - Parameters:
    ///   - endpoint: the control plane.
    ///   - token: bearer token for `Authorization`; not needed on a Unix socket.
    ///   - caCertificate: PEM file of the authorities that `https` is checked against; nil for the system's.
    ///   - eventLoopGroup: stays the caller's, who shuts it down after the client. One thread is enough.
    /// - Throws: `ClientError.invalidEndpoint` when the token has a character that no header may have.
    public init(
        endpoint: APIEndpoint, token: String? = nil, caCertificate: String? = nil, eventLoopGroup: any EventLoopGroup
    ) throws(ClientError) {
        if let token, !token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
            throw .invalidEndpoint("the token has a space, a line end or another character that no token has")
        }
        self.endpoint = endpoint
        self.token = token
        self.eventLoopGroup = eventLoopGroup
        var configuration = HTTPClient.Configuration()
        configuration.httpVersion = .http1Only
        configuration.redirectConfiguration = .disallow
        if let caCertificate {
            guard let roots = try? NIOSSLCertificate.fromPEMFile(caCertificate), !roots.isEmpty else {
                throw .file(path: caCertificate, cause: "no certificate can be read from it; it must be a PEM file")
            }
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.trustRoots = .certificates(roots)
            configuration.tlsConfiguration = tls
        }
        configuration.timeout = .init(connect: .seconds(5))
        // Whether to try again, and after how long, is the caller's decision: "is paasd running?" must come at once.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.idleTimeout = .seconds(10)
        self.http = HTTPClient(eventLoopGroupProvider: .shared(eventLoopGroup), configuration: configuration)
    }

    /// Closes every connection; streams that are still being read fail.
    public func shutdown() async throws {
        try await http.shutdown()
    }
}

// MARK: - Requests

extension PaaSClient {
    /// A request without its body.
    struct Call: Sendable {
        var method: HTTPMethod = .GET
        /// Path and query, percent-encoded.
        var target: String
        var accept = "application/json"
        var contentType = "application/json"
        var timeout: Duration? = PaaSClient.requestTimeout
    }

    /// Sends JSON and reads JSON.
    func exchange<Answer: Decodable & Sendable>(
        _ call: Call, body: (any Encodable & Sendable)? = nil, as answer: Answer.Type = Answer.self
    ) async throws -> Answer {
        let data = try await exchangeData(call, body: try body.map(Self.encode))
        do {
            return try JSONDecoder().decode(Answer.self, from: data)
        } catch {
            throw ClientError.protocolError(
                "\(endpoint) answered \(call.method) \(call.target) with something that is not \(Answer.self); "
                    + "is it a paasd of version \(ProductVersion.current) or later?")
        }
    }

    /// Sends JSON and ignores what a successful answer holds.
    func perform(_ call: Call, body: (any Encodable & Sendable)? = nil) async throws {
        _ = try await exchangeData(call, body: try body.map(Self.encode))
    }

    /// Follows an answer of one JSON object a line. Only connecting and the answer's head are bounded in time.
    func stream<Element: Decodable & Sendable>(_ call: Call, of element: Element.Type) async throws
        -> NDJSONStream<Element>
    {
        var call = call
        call.accept = "application/x-ndjson"
        let head = call
        let response = try await withTimeout(call.timeout) { try await self.send(head, body: nil) }
        return NDJSONStream(body: response.body, endpoint: endpoint)
    }

    private func exchangeData(_ call: Call, body: Data?) async throws -> Data {
        try await withTimeout(call.timeout) {
            let response = try await self.send(call, body: body.map { .bytes($0) })
            return try await self.collect(response.body, upTo: Self.maxAnswerBytes)
        }
    }

    /// Sends a request and waits for the head of a successful answer.
    ///
    /// - Throws: `ClientError.problem` for every status from 300 on.
    func send(_ call: Call, body: HTTPClientRequest.Body?) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: endpoint.url(call.target))
        request.method = call.method
        request.headers.add(name: "accept", value: call.accept)
        request.headers.add(name: "user-agent", value: "mini-paas/\(ProductVersion.current)")
        if case .unix = endpoint { request.headers.add(name: "host", value: "localhost") }
        if let token { request.headers.add(name: "authorization", value: "Bearer \(token)") }
        if let body {
            request.headers.add(name: "content-type", value: call.contentType)
            request.body = body
        }
        let response: HTTPClientResponse
        do {
            response = try await http.execute(request, deadline: .distantFuture)
        } catch {
            throw ClientError.transport(error, endpoint: endpoint)
        }
        guard response.status.code >= 300 else { return response }
        throw ClientError.problem(try await problem(response, call))
    }

    private func problem(_ response: HTTPClientResponse, _ call: Call) async throws -> Problem {
        let data = call.method == .HEAD ? Data() : try await collect(response.body, upTo: 1 << 20)
        if let problem = try? JSONDecoder().decode(Problem.self, from: data) { return problem }
        return Problem(
            type: "about:blank", title: response.status.reasonPhrase, status: Int(response.status.code),
            detail: "\(endpoint) answered \(call.method) \(call.target) with \(response.status)")
    }

    private func collect(_ body: HTTPClientResponse.Body, upTo limit: Int) async throws -> Data {
        do {
            return Data(try await body.collect(upTo: limit).readableBytesView)
        } catch is NIOTooManyBytesError {
            throw ClientError.protocolError("\(endpoint) sent an answer of more than \(limit >> 20) MiB")
        } catch {
            throw ClientError.transport(error, endpoint: endpoint)
        }
    }

    private static func encode(_ value: any Encodable & Sendable) throws -> Data {
        try JSONEncoder().encode(value)
    }

    /// Runs an operation that must end within a time; nil is forever.
    ///
    /// The timer is the event loop's, which ends with the operation: `Task.sleep` would wake libdispatch's pool, whose
    /// monitor then wakes the process every second for ever.
    private func withTimeout<Value: Sendable>(
        _ timeout: Duration?, _ operation: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        guard let timeout else { return try await operation() }
        let task = Task(operation: operation)
        let isLate = Atomic(false)
        let timer = eventLoopGroup.next().scheduleTask(in: TimeAmount(timeout)) {
            isLate.store(true, ordering: .relaxed)
            task.cancel()
        }
        defer { timer.cancel() }
        do {
            return try await withTaskCancellationHandler {
                try await task.value
            } onCancel: {
                task.cancel()
            }
        } catch {
            guard isLate.load(ordering: .relaxed) else { throw error }
            throw ClientError.unreachable(
                address: endpoint.description, cause: "no answer within \(timeout.shortText)")
        }
    }
}
