// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import PaaSModel

/// `GET /apps/{…}/logs`: read by the agent that has the app, passed through as it comes.
struct LogRoutes: Sendable {
    /// Longest pattern in characters; the agent has a limit in bytes, and others.
    static let maxPattern = 1_000

    let service: ControlPlaneService
    let agents: AgentClient
    let limiter: StreamLimiter

    func add(to api: inout APIBuilder) {
        api.on(.get, "/apps/:name/logs", access: .readApp, logs)
    }

    @Sendable func logs(_ request: Request, _ context: APIContext) async throws -> Response {
        let snapshot = try await service.snapshot(context.parameter("name"))
        var parameters = try Self.parameters(request)
        let asked = try request.flag("follow")
        let format = StreamFormat.requested(by: request, follow: asked)
        let follow = asked || format == .events
        if follow { parameters.append(("follow", "true")) }
        let withIDs = format == .events
        if try request.flag("cursors") || withIDs { parameters.append(("cursors", "true")) }
        if let cursor = request.query("after") ?? (withIDs ? Self.lastEventID(of: request) : nil) {
            guard cursor.isVisibleASCII(upTo: 200) else {
                throw ValidationError(field: "after", message: "is no cursor of a line")
            }
            parameters.append(("after", cursor))
        }
        guard let app = snapshot.state.app, let node = app.node.flatMap({ snapshot.nodes[$0] }) else {
            // No node has the app yet, so nothing was logged.
            guard format == .array else { return Response(status: .ok, headers: [.contentType: format.contentType]) }
            return try .json([LogLine]())
        }
        let query = parameters.map { "\($0.0)=\(PercentEncoding.encode($0.1))" }.joined(separator: "&")
        let permit = try limiter.permit()
        let lines = try await agents.lines(node, "/v1/apps/\(app.id)/logs?\(query)", follow: follow)
        return .stream(request, contentType: format.contentType, follow: follow, permit: permit) { writer in
            var isFirst = true
            try await writer.write(ByteBuffer(string: format.opening))
            try await lines.forEach { line in
                let id = withIDs ? Self.cursor(of: line) : nil
                try await writer.write(format.frame(line, id: id, isFirst: isFirst))
                isFirst = false
            }
            try await writer.write(ByteBuffer(string: format.closing))
        }
    }

    /// What an `EventSource` that reconnects says it has had last (WHATWG HTML, 9.2.4).
    private static func lastEventID(of request: Request) -> String? {
        HTTPField.Name("Last-Event-ID").flatMap { request.headers[$0] }
    }

    /// The cursor of a line, which is the first field when it was asked for.
    private static func cursor(of line: ByteBufferView) -> String? {
        let opening = Array(#"{"cursor":""#.utf8)
        guard line.starts(with: opening) else { return nil }
        let rest = line.dropFirst(opening.count)
        return rest.firstIndex(of: UInt8(ascii: "\"")).map { String(decoding: rest[..<$0], as: UTF8.self) }
    }

    /// Checks the parameters here, where the error can name them.
    private static func parameters(_ request: Request) throws -> [(String, String)] {
        var result: [(String, String)] = []
        if request.query("limit") == "all" {
            result.append(("limit", "all"))
        } else {
            result.append(("limit", String(try request.integer("limit", in: 0...10_000) ?? 100)))
        }
        for name in ["since", "until"] {
            guard let text = request.query(name) else { continue }
            guard let time = Timestamp(text) else {
                throw ValidationError(
                    field: name, message: "'\(text.prefix(40))' is not an RFC 3339 time such as 2026-01-02T03:04:05Z")
            }
            result.append((name, time.description))
        }
        if let stream = request.query("stream") {
            guard LogLine.Stream(rawValue: stream) != nil else {
                throw ValidationError(
                    field: "stream", message: "'\(stream.prefix(40))' is not stdout, stderr, system or access")
            }
            result.append(("stream", stream))
        }
        if let release = request.query("release") {
            guard ReleaseRecord.number(release) != nil else {
                throw ValidationError(field: "release", message: "'\(release.prefix(40))' is not a release such as v3")
            }
            result.append(("release", release))
        }
        if let pattern = request.query("grep") {
            guard pattern.unicodeScalars.count <= maxPattern else {
                throw ValidationError(field: "grep", message: "is longer than \(maxPattern) characters")
            }
            result.append(("grep", pattern))
        }
        if try request.flag("bytes") { result.append(("bytes", "true")) }
        return result
    }
}
