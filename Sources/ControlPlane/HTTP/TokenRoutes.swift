// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import PaaSModel

/// `/tokens`: for administrators alone.
struct TokenRoutes: Sendable {
    let service: ControlPlaneService

    func add(to api: inout APIBuilder) {
        api.on(.get, "/tokens", access: .admin) { _, _ in try .json(try await service.tokens()) }
        api.on(.post, "/tokens", access: .admin, create)
        api.on(.get, "/tokens/:name", access: .admin) { _, context in
            try .json(try await service.token(context.parameter("name")))
        }
        api.on(.delete, "/tokens/:name", access: .admin) { _, context in
            try await service.revokeToken(context.parameter("name"))
            return Response(status: .noContent)
        }
    }

    @Sendable private func create(_ request: Request, _ context: APIContext) async throws -> Response {
        let bytes = try await request.json(context)
        let fields = try JSONBody.object(bytes, allowed: TokenRequest.fieldNames, of: "a token request")
        try JSONBody.requireInteger(fields["expiresInSeconds"], field: "expiresInSeconds")
        let created = try await service.createToken(
            try JSONBody.decode(TokenRequest.self, bytes), once: try request.onceOnly(bytes, context))
        return try .json(created, status: .created, headers: [.location: "/tokens/\(created.token.id)"])
    }
}
