// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import PaaSModel

/// `/events` and `/apps/{…}/events`.
struct EventRoutes: Sendable {
    let service: ControlPlaneService
    let limiter: StreamLimiter

    func add(to api: inout APIBuilder) {
        api.on(.get, "/events", access: .read) { request, _ in try await events(request, appID: nil) }
        api.on(.get, "/apps/:name/events", access: .readApp) { request, context in
            try await events(request, appID: try await service.resolve(context.parameter("name")))
        }
    }

    /// The link to the page behind this one, while there may be one.
    private static func links(_ query: EventQuery, _ found: [Event], _ request: Request) -> HTTPFields {
        var headers: HTTPFields = [:]
        guard query.limit > 0, found.count == query.limit, let first = found.first, let last = found.last else {
            return headers
        }
        if query.since == nil {
            headers.addLink(to: request.uri.path, ["limit": "\(query.limit)", "before": "\(first.id)"], "prev")
        } else {
            headers.addLink(to: request.uri.path, ["limit": "\(query.limit)", "since": "\(last.id)"], "next")
        }
        return headers
    }

    private func events(_ request: Request, appID: String?) async throws -> Response {
        let resumed = HTTPField.Name("Last-Event-ID").flatMap { request.headers[$0] }.flatMap(Int64.init)
        let query = EventQuery(
            appID: appID, since: try request.integer("since", in: 0...1 << 50) ?? resumed,
            before: try request.integer("before", in: 0...1 << 50),
            limit: Int(try request.integer("limit", in: 0...10_000) ?? 100))
        // Everything is checked before what there is decides: a wrong request is told what is wrong with it.
        let asked = try request.flag("follow")
        if let since = query.since { try await service.requireEvents(after: since) }
        let format = StreamFormat.requested(by: request, follow: asked)
        guard asked || format == .events else {
            let found = try await service.events(query).events
            let links = Self.links(query, found, request)
            guard format == .lines else { return try .json(found, headers: links) }
            var lineHeaders = links
            lineHeaders[.contentType] = format.contentType
            var body = ByteBuffer()
            for event in found {
                body.writeImmutableBuffer(try APIEncoding.encode(event))
                body.writeString("\n")
            }
            return Response(
                status: .ok, headers: lineHeaders, body: ResponseBody(byteBuffer: body))
        }
        return .stream(request, contentType: format.contentType, follow: true, permit: try limiter.permit()) { writer in
            try await service.followEvents(query) { event in
                let json = try APIEncoding.encode(event)
                let frame = format == .array ? StreamFormat.lines : format
                try await writer.write(frame.frame(json.readableBytesView, id: String(event.id), isFirst: false))
            }
        }
    }
}
