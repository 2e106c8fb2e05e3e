// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import NIOHTTP1
import PaaSModel
import Testing

@testable import PaaSClient

@Suite struct StreamTests {
    private static func event(_ id: Int64) -> Event {
        Event(id: id, time: Timestamp(microseconds: 0), kind: .ready, app: "demo", message: "event \(id)")
    }

    private static func line(_ id: Int64) throws -> String { try PaaSClientTests.json(event(id)) + "\n" }

    @Test func elementArrivesWhileTheStreamGoesOn() async throws {
        let (chunks, server) = AsyncStream.makeStream(of: String.self)
        let (first, second) = (try Self.line(1), try Self.line(2))
        try await TestServer.run { _ in
            .chunks(chunks)
        } _: { address in
            try await PaaSClientTests.withClient(PaaSClientTests.tcp(address)) { client in
                var events = try await client.followEvents().makeAsyncIterator()
                // Cut in the middle of an object: chunks are not lines.
                server.yield(String(first.prefix(20)))
                server.yield(String(first.dropFirst(20)))
                #expect(try await events.next() == Self.event(1))
                server.yield("\n" + second)
                #expect(try await events.next() == Self.event(2))
                server.finish()
                #expect(try await events.next() == nil)
            }
        }
    }

    @Test func cancellingTheReaderClosesTheConnection() async throws {
        let (chunks, _) = AsyncStream.makeStream(of: String.self)
        let (closings, closing) = AsyncStream.makeStream(of: Void.self)
        try await TestServer.run {
            closing.yield()
        } answering: { _ in
            .chunks(chunks)
        } _: { server in
            try await PaaSClientTests.withClient(PaaSClientTests.tcp(server)) { client in
                let stream = try await client.assignments(node: "n1", revision: 7)
                let reader = Task { for try await _ in stream {} }
                reader.cancel()
                let result = await reader.result
                #expect(throws: CancellationError.self) { try result.get() }
                // The server has noticed: it does not keep a stream that nobody reads.
                var iterator = closings.makeAsyncIterator()
                #expect(await iterator.next() != nil)
            }
        }
    }

    @Test func cutConnectionIsAnErrorAndNotAnEnd() async throws {
        let (chunks, server) = AsyncStream.makeStream(of: String.self)
        server.yield(try Self.line(1))
        try await TestServer.run { _ in
            .cut(chunks)
        } _: { address in
            try await PaaSClientTests.withClient(PaaSClientTests.tcp(address)) { client in
                var events = try await client.followEvents(app: "demo").makeAsyncIterator()
                #expect(try await events.next() == Self.event(1))
                server.finish()
                let error = await #expect(throws: ClientError.self) { try await events.next() }
                guard case .unreachable = error else {
                    Issue.record("\(String(describing: error))")
                    return
                }
            }
        }
    }

    @Test func lineThatIsNoEventIsAProtocolError() async throws {
        // The connection stays: a client that is cut off may drop what it has not read yet.
        let (chunks, server) = AsyncStream.makeStream(of: String.self)
        server.yield(try Self.line(1))
        server.yield("not json\n")
        try await TestServer.run { _ in
            .chunks(chunks)
        } _: { address in
            try await PaaSClientTests.withClient(PaaSClientTests.tcp(address)) { client in
                var events = try await client.followEvents().makeAsyncIterator()
                #expect(try await events.next() == Self.event(1))
                let error = await #expect(throws: ClientError.self) { try await events.next() }
                server.finish()
                guard case .protocolError = error else {
                    Issue.record("\(String(describing: error))")
                    return
                }
            }
        }
    }

    @Test func problemIsThrownBeforeTheStreamBegins() async throws {
        let problem = try PaaSClientTests.json(
            Problem(type: "/problems/app-not-found", title: "", status: 404, detail: "no"))
        try await TestServer.run { _ in
            .whole(.notFound, problem)
        } _: { server in
            try await PaaSClientTests.withClient(PaaSClientTests.tcp(server)) { client in
                await #expect(throws: ClientError.self) { try await client.logs("demo") }
            }
        }
    }
}
