// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Foundation
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import NIOHTTP1
import PaaSModel
import ServiceLifecycle
import Testing

@testable import ControlPlane

struct APIStreamTests {
    private static let hello = #"{"name": "hello", "command": "./server"}"#

    private static func decode<Value: Decodable>(_ type: Value.Type, _ line: String?) throws -> Value {
        try JSONDecoder().decode(type, from: Data((line ?? "").utf8))
    }

    @Test func eventsAreListedAndFollowed() async throws {
        try await APIHarness.run { api async throws in
            _ = try await api.request("POST", "/apps", Self.hello)
            let list = try await api.request("GET", "/apps/hello/events")
            #expect(list.headers["content-type"] == "application/json")
            #expect(try list.decoded([Event].self).first?.kind == .created)

            let response = try await api.execute("GET", "/apps/hello/events?follow=true&limit=0")
            #expect(response.headers["content-type"] == ["application/x-ndjson"])
            var lines = LineReader(response)
            _ = try await api.request("POST", "/apps/hello/stop")
            #expect(try Self.decode(Event.self, try await lines.next()).app == "hello")
        }
    }

    @Test func eventsComeAsServerSentEventsWhenAskedFor() async throws {
        try await APIHarness.run { api async throws in
            _ = try await api.request("POST", "/apps", Self.hello)
            let response = try await api.execute("GET", "/events", headers: ["Accept": "text/event-stream"])
            #expect(response.headers["content-type"] == ["text/event-stream"])
            var lines = LineReader(response)
            #expect(try await lines.next() == "id: 1")
            #expect(try await lines.next()?.hasPrefix("data: {") == true)
            #expect(try await lines.next() == "")
            let resumed = try await api.execute(
                "GET", "/events", headers: ["Accept": "text/event-stream", "Last-Event-ID": "1"])
            var rest = LineReader(resumed)
            _ = try await api.request("POST", "/apps/hello/stop")
            #expect(try await rest.next() == "id: 2")
        }
    }

    @Test func aNodeIsConnectedAsLongAsItsStreamIsOpen() async throws {
        try await APIHarness.run { api async throws in
            try await api.register()
            _ = try await api.request("POST", "/apps", Self.hello)
            let events = try await api.execute("GET", "/events?follow=true&limit=0")
            var eventLines = LineReader(events)
            var stream: LineReader? = LineReader(try await api.execute("GET", "/agent/v1/nodes/n1/assignments"))
            let message = try Self.decode(AssignmentMessage.self, try await stream?.next())
            guard case .snapshot(_, _, let assignments) = message else {
                Issue.record("a snapshot comes first")
                return
            }
            #expect(assignments.count == 1)
            #expect(try Self.decode(Event.self, try await eventLines.next()).message == "agent of node 'n1' connected")
            #expect(try await api.request("GET", "/nodes").decoded([Node].self).map(\.connected) == [true])
            // Dropping the body closes the connection, as an agent that dies does.
            stream = nil
            #expect(
                try Self.decode(Event.self, try await eventLines.next()).message == "agent of node 'n1' disconnected")
        }
    }

    @Test func openStreamsAreBoundedAndGiveTheirPlaceBack() async throws {
        try await APIHarness.run(maxStreams: 1) { api async throws in
            _ = try await api.request("POST", "/apps", Self.hello)
            var first: LineReader? = LineReader(try await api.execute("GET", "/events?follow=true"))
            _ = try await first?.next()
            let refused = try await api.request("GET", "/events?follow=true")
            #expect(refused.status == 429)
            #expect(refused.headers["retry-after"] != nil)
            first = nil
            // The place is free once the server has seen the end of the connection.
            while try await api.request("HEAD", "/events?follow=true").status == 429 { await Task.yield() }
        }
    }

    @Test func aGracefulShutdownEndsOpenStreamsInOrder() async throws {
        try await APIHarness.run { api async throws in
            _ = try await api.request("POST", "/apps", Self.hello)
            try await api.register()
            var events = LineReader(try await api.execute("GET", "/events?follow=true"))
            var assignments = LineReader(try await api.execute("GET", "/agent/v1/nodes/n1/assignments"))
            _ = try await events.next()
            _ = try await assignments.next()
            await api.group.triggerGracefulShutdown()
            while try await events.next() != nil {}
            while try await assignments.next() != nil {}
        }
    }

    @Test func reportsAreAcknowledgedAndSeen() async throws {
        try await APIHarness.run { api async throws in
            try await api.register()
            _ = try await api.request("POST", "/apps", Self.hello)
            let instance = try #require(
                try await api.request("GET", "/apps/hello/instances").decoded([Instance].self).first)
            var status = instance.status
            status.state = .running
            status.port = 20_001
            status.pid = 4_711
            let report = AgentReport(
                sequence: 9, status: status, events: [Event(time: .now, kind: .ready, message: "web.1 is ready")])
            let body = String(decoding: try JSONEncoder().encode(ReportBatch(reports: [report])), as: UTF8.self)
            let answer = try await api.request("POST", "/agent/v1/nodes/n1/reports", body)
            #expect(try answer.decoded(ReportAcknowledgement.self).acknowledged == 9)
            let app = try await api.request("GET", "/apps/hello").decoded(App.self)
            #expect(app.status == .running)
            #expect(app.port == 20_001)
            #expect(app.pid == 4_711)
            let kinds = try await api.request("GET", "/apps/hello/events").decoded([Event].self).map(\.kind)
            #expect(kinds == [.created, .ready, .deployed])
        }
    }

    @Test func logsArePassedThroughInTheFormatAskedFor() async throws {
        try await APIHarness.run { api async throws in
            try await withAgent { address in
                var node = Node.sample
                node.agentAddress = address
                try await api.register(node)
                _ = try await api.request("POST", "/apps", Self.hello)
                let list = try await api.request("GET", "/apps/hello/logs?limit=2&stream=stdout")
                #expect(try list.decoded([LogLine].self).map(\.text) == ["limit=2&stream=stdout", "two"])
                let lines = try await api.request(
                    "GET", "/apps/hello/logs", headers: ["Accept": "application/x-ndjson"])
                #expect(lines.body.split(separator: "\n").count == 2)
                let refused = try await api.request("GET", "/apps/hello/logs?since=yesterday")
                #expect(refused.status == 422)
                // The agent of this test never ends a followed answer: what was written comes at once.
                var followed = LineReader(try await api.execute("GET", "/apps/hello/logs?follow=true"))
                #expect(try Self.decode(LogLine.self, try await followed.next()).text == "limit=100&follow=true")
            }
        }
    }

    @Test func anUnreachableAgentIsSaid() async throws {
        try await APIHarness.run { api async throws in
            try await api.register()
            _ = try await api.request("POST", "/apps", Self.hello)
            let answer = try await api.request("GET", "/apps/hello/logs")
            #expect(answer.status == 503)
            #expect(try answer.decoded(Problem.self).detail.contains("node 'n1' does not answer"))
        }
    }

    @Test func anAppThatNoNodeHasHasNoLogs() async throws {
        try await APIHarness.run { api async throws in
            _ = try await api.request("POST", "/apps", Self.hello)
            #expect(try await api.request("GET", "/apps/hello/logs").body == "[]\n")
        }
    }

    /// An agent that answers with the query it got, and does not end when asked to follow.
    private func withAgent(_ test: @escaping @Sendable (String) async throws -> Void) async throws {
        let router = Router()
        router.get("/v1/apps/:id/logs") { request, _ in
            let query = request.uri.query ?? ""
            return Response(
                status: .ok,
                body: ResponseBody { writer in
                    for text in [query, "two"] {
                        let line = LogLine(time: .now, stream: .stdout, instance: "web.1", release: "v1", text: text)
                        var buffer = ByteBuffer(bytes: try JSONEncoder().encode(line))
                        buffer.writeString("\n")
                        try await writer.write(buffer)
                    }
                    if query.contains("follow") { try await gracefulShutdown() }
                    try await writer.finish(nil)
                })
        }
        try await Application(
            router: router, configuration: .init(address: .hostname("127.0.0.1", port: 0)),
            logger: Logger(label: "agent") { _ in SwiftLogNoOpLogHandler() }
        ).test(.live) { client in
            try await test("http://127.0.0.1:\(client.port ?? 0)")
        }
    }
}
