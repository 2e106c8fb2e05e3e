// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import PaaSModel

/// `GET /apps/{…}/env` and `GET /apps/{…}/secrets`, of the newest release, which is the one that the next patch changes.
struct EnvironmentRoutes: Sendable {
    let service: ControlPlaneService

    func add(to api: inout APIBuilder) {
        // Values may be more than who only looks should see.
        api.on(.get, "/apps/:name/env", access: .changeApp) { _, context in
            try .json(try await service.newestSpec(context.parameter("name")).env)
        }
        api.on(.get, "/apps/:name/secrets", access: .readApp) { _, context in
            let secrets = try await service.newestSpec(context.parameter("name")).secrets ?? [:]
            return try .json(secrets.keys.sorted().map { Secret(name: $0) })
        }
    }
}
