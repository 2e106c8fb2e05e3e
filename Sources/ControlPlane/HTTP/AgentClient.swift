// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import FoundationEssentials
internal import Glibc
internal import Hummingbird
internal import NIOCore
internal import NIOHTTP1
internal import PaaSModel

/// Asks agents for what only they have.
public struct AgentClient: Sendable {
    /// Longest line that an agent may send, as long as one that the client accepts. What all instances of a node use is one
    /// line: 1 KB for each, and 3.5 with what was seen in the last minutes.
    static let maxLineBytes = 16 << 20

    private let client: HTTPClient

    /// Creates a client; ``shutdown()`` releases its connections.
    public init() {
        var configuration = HTTPClient.Configuration()
        configuration.timeout.connect = .seconds(2)
        configuration.redirectConfiguration = .disallow
        // One for each stream that is followed and each command; those are bounded where they come in.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 1_024
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// Closes all connections.
    public func shutdown() async throws { try await client.shutdown() }

    /// Begins to read lines from an agent.
    ///
    /// - Parameters:
    ///   - follow: the answer may go on for ever.
    ///   - patience: how long the answer's head may take.
    /// - Throws: `Problem` 503 when the agent does not answer in time or answers with an error.
    func lines(
        _ node: Node, _ pathAndQuery: String, follow: Bool, patience: Duration = .seconds(10)
    ) async throws -> AgentLines {
        guard let address = AgentAddress(node.agentAddress) else {
            throw Problem.agentUnreachable(node.name, "its address '\(node.agentAddress.prefix(100))' is not one")
        }
        var request = HTTPClientRequest(url: address.url(pathAndQuery))
        request.headers.add(name: "Host", value: "agent")
        request.headers.add(name: "Accept", value: "application/x-ndjson")
        // An agent may have closed a pooled connection just now, and a read is not worth the doubt.
        request.headers.add(name: "Connection", value: "close")
        let deadline = follow ? NIODeadline.distantFuture : .now() + .seconds(60)
        let response = try await head(request, node, deadline: deadline, patience: patience)
        guard response.status == .ok else {
            var text = ""
            if let body = try? await response.body.collect(upTo: 65_536),
                let problem = try? JSONDecoder().decode(Problem.self, from: Data(body.readableBytesView))
            {
                if (400..<500).contains(problem.status) { throw problem }
                text = ": \(problem.detail.prefix(500))"
            }
            throw Problem.agentUnreachable(node.name, "it answered \(response.status.code)\(text)")
        }
        return AgentLines(body: response.body)
    }

    /// Opens a session: what is sent and what is answered go on at the same time.
    ///
    /// - Throws: `Problem` 503 when the agent does not answer within 10 seconds, or answers with an error.
    func session(_ node: Node, _ frames: RequestBody) async throws -> HTTPClientResponse.Body {
        guard let address = AgentAddress(node.agentAddress) else {
            throw Problem.agentUnreachable(node.name, "its address '\(node.agentAddress.prefix(100))' is not one")
        }
        var request = HTTPClientRequest(url: address.url("/v1/sessions"))
        request.method = .POST
        request.headers.add(name: "Host", value: "agent")
        request.headers.add(name: "Content-Type", value: SessionRequest.mediaType)
        request.headers.add(name: "Connection", value: "close")
        request.body = .stream(frames, length: .unknown)
        let response = try await head(request, node, deadline: .distantFuture, patience: .seconds(10))
        guard response.status == .ok else {
            throw Problem.agentUnreachable(node.name, "it answered \(response.status.code)")
        }
        return response.body
    }

    private func head(
        _ request: HTTPClientRequest, _ node: Node, deadline: NIODeadline, patience: Duration
    ) async throws -> HTTPClientResponse {
        let client = client
        do {
            return try await withThrowingTaskGroup(of: HTTPClientResponse?.self) { group in
                group.addTask { try await client.execute(request, deadline: deadline) }
                group.addTask {
                    try await Pause.sleep(for: patience)
                    return nil
                }
                defer { group.cancelAll() }
                guard let response = try await group.next() ?? nil else {
                    throw Problem.agentUnreachable(node.name, "no answer within \(patience.shortText)")
                }
                return response
            }
        } catch let problem as Problem {
            throw problem
        } catch let error as CancellationError {
            throw error
        } catch let error as IOError {
            throw Problem.agentUnreachable(node.name, String(cString: strerror(error.errnoCode)))
        } catch {
            throw Problem.agentUnreachable(node.name, "\(error)")
        }
    }
}

/// The lines of an agent's answer.
struct AgentLines: Sendable {
    let body: HTTPClientResponse.Body

    /// Calls a function with each line, without its newline, as it comes. Ends with the answer, or when the service
    /// group shuts down.
    func forEach(_ emit: (ByteBufferView) async throws -> Void) async throws {
        var pending = ByteBuffer()
        for try await var chunk in body.untilShutdown() {
            // Of a long line only what is new has to be looked at.
            var seen = pending.readableBytes
            pending.writeBuffer(&chunk)
            while let end = pending.readableBytesView.dropFirst(seen).firstIndex(of: 0x0A) {
                seen = 0
                let length = end - pending.readerIndex
                if let line = pending.readSlice(length: length), length > 0 { try await emit(line.readableBytesView) }
                pending.moveReaderIndex(forwardBy: 1)
            }
            pending.discardReadBytes()
            guard pending.readableBytes <= AgentClient.maxLineBytes else {
                throw Problem.agentUnreachable("?", "it sent a line longer than \(AgentClient.maxLineBytes) bytes")
            }
        }
        if pending.readableBytes > 0 { try await emit(pending.readableBytesView) }
    }
}
