// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import PaaSModel

/// `/bundles/{sha256}`: uploads are streamed to disk and checked against the digest in the path.
struct BundleRoutes: Sendable {
    let service: ControlPlaneService
    private var bundles: BundleStore { service.bundles }

    init(service: ControlPlaneService) { self.service = service }

    func add(to api: inout APIBuilder) {
        api.on(.put, "/bundles/:digest", access: .deploy, put)
        // The source of whatever app: for agents, and whoever may do everything.
        api.on(.get, "/bundles/:digest", access: .admin, get)
        api.on(.head, "/bundles/:digest", access: .deploy) { _, context in
            Response(status: .ok, headers: try headers(context.parameter("digest")))
        }
    }

    @Sendable private func put(_ request: Request, _ context: APIContext) async throws -> Response {
        let digest = context.parameter("digest")
        if bundles.contains(digest) {
            // Read to its end all the same: clients take an answer before that for a broken connection.
            try await bundles.skip(request.body)
            return Response(status: .ok)
        }
        try await bundles.save(digest, request.body, declared: request.headers[.contentLength].flatMap { Int64($0) })
        Task { await service.collectBundles() }
        return Response(status: .created, headers: [.location: "/bundles/\(digest)"])
    }

    @Sendable private func get(_ request: Request, _ context: APIContext) async throws -> Response {
        let digest = context.parameter("digest")
        let headers = try headers(digest)
        let body = try await FileIO().loadFile(path: bundles.path(digest) ?? "", context: context)
        return Response(status: .ok, headers: headers, body: body)
    }

    private func headers(_ digest: String) throws -> HTTPFields {
        guard bundles.contains(digest), let size = bundles.size(digest) else { throw Problem.bundleNotFound(digest) }
        return [
            .contentType: "application/octet-stream", .contentLength: String(size), .eTag: "\"\(digest)\"",
        ]
    }
}
