// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import HTTPTypes
internal import Hummingbird
internal import PaaSModel

/// `/apps` and what belongs to one app.
struct AppRoutes: Sendable {
    let service: ControlPlaneService
    let limiter: StreamLimiter

    func add(to api: inout APIBuilder) {
        api.on(.post, "/apps", access: .deploy, create)
        api.on(.get, "/apps", access: .known, list)
        api.on(.get, "/apps/:name", access: .readApp) { _, context in
            let found = try await service.app(context.parameter("name"))
            return try Self.response(found)
        }
        api.on(.patch, "/apps/:name", access: .changeApp, patch)
        // It takes the data along, which no deploy needs.
        api.on(.delete, "/apps/:name", access: .admin, destroy)
        api.on(.post, "/apps/:name/start", access: .changeApp) { request, context in
            let once = try request.onceOnly([], context)
            return try Self.response(
                try await service.start(context.parameter("name"), ifMatch: request.ifMatch(), once: once))
        }
        api.on(.post, "/apps/:name/stop", access: .changeApp) { request, context in
            let once = try request.onceOnly([], context)
            return try Self.response(
                try await service.stop(context.parameter("name"), ifMatch: request.ifMatch(), once: once))
        }
        api.on(.post, "/apps/:name/restart", access: .changeApp) { request, context in
            let once = try request.onceOnly([], context)
            return try Self.response(
                try await service.restart(context.parameter("name"), ifMatch: request.ifMatch(), once: once))
        }
        api.on(.post, "/apps/:name/scale", access: .changeApp, scale)
        api.on(.post, "/apps/:name/rollback", access: .changeApp, rollback)
        ReleaseRoutes(service: service, limiter: limiter).add(to: &api)
    }

    @Sendable private func list(_ request: Request, _ context: APIContext) async throws -> Response {
        let limit = try request.pageLimit()
        let after = try request.query("after").map { text in
            do { return try AppName(validating: text).rawValue } catch let error as ValidationError {
                throw ValidationError(field: "after", message: error.message)
            }
        }
        if case .deploy(let own)? = context.principal?.scope {
            let found = try await service.documents().filter {
                $0.app.name == own && $0.app.name.rawValue > after ?? ""
            }
            return .json(list: found.prefix(limit ?? 1).map(\.json))
        }
        guard let limit else {
            let found = try await service.documents().filter { $0.app.name.rawValue > after ?? "" }
            return .json(list: found.map(\.json))
        }
        // One more than asked for tells whether there is a next page.
        let found = try await service.documents(after: after, limit: limit + 1)
        let page = request.page(of: found, limit: limit) { $0.app.name.rawValue }
        return .json(list: page.shown.map(\.json), headers: page.headers)
    }

    @Sendable private func create(_ request: Request, _ context: APIContext) async throws -> Response {
        let body = try await request.json(context)
        let created = try await service.create(
            body: body, once: try request.onceOnly(body, context), scope: context.principal?.scope ?? .read)
        var response = try Self.response(created, status: .created)
        response.headers[.location] = "/apps/\(created.app.name)"
        return response
    }

    @Sendable private func patch(_ request: Request, _ context: APIContext) async throws -> Response {
        let body = try await request.json(types: ["application/json", "application/merge-patch+json"], context)
        let patched = try await service.patch(
            context.parameter("name"), body: body, redeploy: try request.flag("redeploy"), ifMatch: request.ifMatch())
        return try Self.response(patched)
    }

    @Sendable private func destroy(_ request: Request, _ context: APIContext) async throws -> Response {
        let wait = try request.integer("wait", in: 0...300)
        try await service.destroy(
            context.parameter("name"), ifMatch: request.ifMatch(),
            wait: wait.flatMap { $0 == 0 ? nil : Duration.seconds($0) })
        return Response(status: .noContent)
    }

    private struct ScaleBody: Decodable { var instances: Int }

    @Sendable private func scale(_ request: Request, _ context: APIContext) async throws -> Response {
        let bytes = try await request.json(context)
        let fields = try JSONBody.object(bytes, allowed: ["instances"], of: "a scale request")
        try JSONBody.requireInteger(fields["instances"], field: "instances")
        let body = try JSONBody.decode(ScaleBody.self, bytes)
        return try Self.response(
            try await service.scale(
                context.parameter("name"), to: body.instances, ifMatch: request.ifMatch(),
                once: request.onceOnly(bytes, context)))
    }

    private struct RollbackBody: Decodable { var release: String? }

    @Sendable private func rollback(_ request: Request, _ context: APIContext) async throws -> Response {
        let bytes = try await request.json(context)
        var release: String?
        if !bytes.isEmpty {
            _ = try JSONBody.object(bytes, allowed: ["release"], of: "a rollback request")
            release = try JSONBody.decode(RollbackBody.self, bytes).release
        }
        return try Self.response(
            try await service.rollback(
                context.parameter("name"), to: release, ifMatch: request.ifMatch(),
                once: request.onceOnly(bytes, context)))
    }

    private static func response(
        _ tagged: ControlPlaneService.TaggedApp, status: HTTPResponse.Status = .ok
    ) throws -> Response {
        try .json(tagged.app, status: status, headers: [.eTag: "\"\(tagged.revision)\""])
    }
}
