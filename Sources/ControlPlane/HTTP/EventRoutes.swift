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
        api.on(.get, "/events") { request, _ in try await events(request, appID: nil) }
        api.on(.get, "/apps/:name/events") { request, context in
            try await events(request, appID: try await service.resolve(context.parameter("name")))
        }
    }

    private func events(_ request: Request, appID: String?) async throws -> Response {
        let resumed = HTTPField.Name("Last-Event-ID").flatMap { request.headers[$0] }.flatMap(Int64.init)
        let query = EventQuery(
            appID: appID, since: try request.integer("since", in: 0...Int64.max) ?? resumed,
            limit: Int(try request.integer("limit", in: 0...10_000) ?? 100))
        let asked = try request.flag("follow")
        let format = StreamFormat.requested(by: request, follow: asked)
        guard asked || format == .events else {
            let found = try await service.events(query).events
            guard format == .lines else { return try .json(found) }
            var body = ByteBuffer()
            for event in found {
                body.writeImmutableBuffer(try APIEncoding.encode(event))
                body.writeString("\n")
            }
            return Response(
                status: .ok, headers: [.contentType: format.contentType], body: ResponseBody(byteBuffer: body))
        }
        return .stream(request, contentType: format.contentType, follow: true, permit: try limiter.permit()) { writer in
            try await service.followEvents(query) { event in
                let json = try APIEncoding.encode(event)
                let frame = format == .array ? StreamFormat.lines : format
                try await writer.write(frame.frame(json.readableBytesView, id: event.id, isFirst: false))
            }
        }
    }
}
