// SPDX-License-Identifier: Apache-2.0

import AppLogs
import FoundationEssentials
import Hummingbird
import NIOCore
import PaaSModel
import ServiceLifecycle

extension AgentAPI {
    /// `GET /v1/apps/{id}/logs`: lines as they are found, one JSON object a line. What goes wrong after the first line is
    /// the last line, a `Problem`.
    func serveLogs(_ request: Request, _ context: some RequestContext) throws -> Response {
        let appID = try context.parameters.require("app")
        let parameters = request.uri.queryParameters
        var options = LogBatch.JSONOptions()
        options.cursorPrefix = parameters["cursors"] == "true" ? appID : nil
        options.withBytes = parameters["bytes"] == "true"
        let lines: LogLines
        do {
            var query = try Self.query(parameters, appID: appID)
            // In that log everything is of one stream, but for what the platform says about gaps.
            let store = query.stream == .access ? accessLogs : logs
            if query.stream == .access { query.stream = nil }
            lines = try store.lines(query, of: appID, following: parameters["follow"] == "true")
        } catch let error as AppLogError {
            throw Self.problem(error)
        }
        let encoder = encoder
        let body = ResponseBody { [options] bodyWriter in
            // Safe: the writer is used by this one closure, inside which all the waiting below happens.
            nonisolated(unsafe) let writer = bodyWriter
            try await cancelWhenGracefulShutdown {
                // An idle follower learns of a client that left only by its closed connection.
                try await request.body.consumeWithCancellationOnInboundClose { _ in
                    var writer = writer
                    var iterator = lines.makeAsyncIterator()
                    do {
                        while let batch = try await iterator.nextBatch() {
                            try await writer.write(ByteBuffer(bytes: batch.json(options)))
                        }
                    } catch let error as AppLogError {
                        var last = ByteBuffer(bytes: try encoder.encode(Self.problem(error)))
                        last.writeString("\n")
                        try await writer.write(last)
                    }
                    try await writer.finish(nil)
                }
            }
        }
        return Response(status: .ok, headers: [.contentType: "application/x-ndjson"], body: body)
    }

    private static func problem(_ error: AppLogError) -> Problem {
        switch error {
        case .invalidPattern, .patternTooCostly: invalid("grep", "\(error)")
        case .invalidAppID: invalid("id", "\(error)")
        case .storage:
            Problem(type: "/problems/log-unreadable", title: "Log unreadable", status: 503, detail: "\(error)")
        }
    }

    private static func invalid(_ field: String, _ detail: String) -> Problem {
        Problem(type: "/problems/invalid-field", title: "Invalid field", status: 422, detail: detail, field: field)
    }

    private static func query(_ parameters: Parameters, appID: String) throws -> LogQuery {
        var query = LogQuery()
        if let text = parameters["limit"] {
            guard text == "all" || Int(text).map({ $0 >= 0 }) == true else {
                throw invalid("limit", "limit is neither a number nor 'all'")
            }
            query.limit = Int(text)
        }
        func time(_ name: Substring) throws -> Timestamp? {
            guard let text = parameters[name] else { return nil }
            guard let time = Timestamp(String(text)) else {
                throw invalid(String(name), "\(name) is not an RFC 3339 time")
            }
            return time
        }
        query.since = try time("since")
        query.until = try time("until")
        if let text = parameters["stream"] {
            guard let stream = LogLine.Stream(rawValue: String(text)) else {
                throw invalid("stream", "stream is not stdout, stderr, system or access")
            }
            query.stream = stream
        }
        query.release = parameters["release"].map(String.init)
        query.pattern = try parameters["grep"].map { try LinePattern(String($0)) }
        query.after = try parameters["after"].map { try position($0, appID: appID) }
        return query
    }

    /// A cursor of the app's log. One of an earlier app of the same name has nothing behind it but all of this log.
    private static func position(_ cursor: Substring, appID: String) throws -> LogPosition {
        let parts = cursor.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let position = LogPosition(String(parts[1])) else {
            throw invalid("after", "'\(cursor.prefix(80))' is no cursor of a line")
        }
        return parts[0] == appID ? position : .start
    }
}
