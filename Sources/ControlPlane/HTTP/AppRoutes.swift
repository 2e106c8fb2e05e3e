// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import HTTPTypes
internal import Hummingbird
internal import PaaSModel

/// `/apps` and what belongs to one app.
struct AppRoutes: Sendable {
    let service: ControlPlaneService

    func add(to api: inout APIBuilder) {
        api.on(.post, "/apps", create)
        api.on(.get, "/apps") { _, _ in try .json(try await service.apps()) }
        api.on(.get, "/apps/:name") { _, context in
            let found = try await service.app(context.parameter("name"))
            return try Self.response(found)
        }
        api.on(.patch, "/apps/:name", patch)
        api.on(.delete, "/apps/:name", destroy)
        api.on(.post, "/apps/:name/start") { request, context in
            try Self.response(try await service.start(context.parameter("name"), ifMatch: request.ifMatch()))
        }
        api.on(.post, "/apps/:name/stop") { request, context in
            try Self.response(try await service.stop(context.parameter("name"), ifMatch: request.ifMatch()))
        }
        api.on(.post, "/apps/:name/restart") { request, context in
            try Self.response(try await service.restart(context.parameter("name"), ifMatch: request.ifMatch()))
        }
        api.on(.post, "/apps/:name/scale", scale)
        api.on(.post, "/apps/:name/rollback", rollback)
        api.on(.get, "/apps/:name/releases") { _, context in
            try .json(try await service.releases(context.parameter("name")))
        }
        api.on(.get, "/apps/:name/instances") { _, context in
            try .json(try await service.instances(context.parameter("name")))
        }
    }

    @Sendable private func create(_ request: Request, _ context: APIContext) async throws -> Response {
        let key = HTTPField.Name("Idempotency-Key").flatMap { request.headers[$0] }
        if let key, !(1...255).contains(key.utf8.count) {
            throw ValidationError(field: "Idempotency-Key", message: "is not 1 to 255 characters")
        }
        let created = try await service.create(body: try await request.json(), idempotencyKey: key)
        var response = try Self.response(created, status: .created)
        response.headers[.location] = "/apps/\(created.app.name)"
        return response
    }

    @Sendable private func patch(_ request: Request, _ context: APIContext) async throws -> Response {
        let body = try await request.json(types: ["application/json", "application/merge-patch+json"])
        let patched = try await service.patch(
            context.parameter("name"), body: body, redeploy: try request.flag("redeploy"), ifMatch: request.ifMatch())
        return try Self.response(patched)
    }

    @Sendable private func destroy(_ request: Request, _ context: APIContext) async throws -> Response {
        let wait = try request.integer("wait", in: 0...300)
        try await service.destroy(
            context.parameter("name"), ifMatch: request.ifMatch(), wait: wait.map { Duration.seconds($0) })
        return Response(status: .noContent)
    }

    private struct ScaleBody: Decodable { var instances: Int }

    @Sendable private func scale(_ request: Request, _ context: APIContext) async throws -> Response {
        let bytes = try await request.json()
        let fields = try JSONBody.object(bytes, allowed: ["instances"], of: "a scale request")
        try JSONBody.requireInteger(fields["instances"], field: "instances")
        let body = try JSONBody.decode(ScaleBody.self, bytes)
        return try Self.response(
            try await service.scale(context.parameter("name"), to: body.instances, ifMatch: request.ifMatch()))
    }

    private struct RollbackBody: Decodable { var release: String? }

    @Sendable private func rollback(_ request: Request, _ context: APIContext) async throws -> Response {
        let bytes = try await request.json()
        var release: String?
        if !bytes.isEmpty {
            _ = try JSONBody.object(bytes, allowed: ["release"], of: "a rollback request")
            release = try JSONBody.decode(RollbackBody.self, bytes).release
        }
        return try Self.response(
            try await service.rollback(context.parameter("name"), to: release, ifMatch: request.ifMatch()))
    }

    private static func response(
        _ tagged: ControlPlaneService.TaggedApp, status: HTTPResponse.Status = .ok
    ) throws -> Response {
        try .json(tagged.app, status: status, headers: [.eTag: "\"\(tagged.revision)\""])
    }
}
