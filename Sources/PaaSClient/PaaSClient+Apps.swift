// SPDX-License-Identifier: Apache-2.0

internal import NIOHTTP1
public import PaaSModel

/// Apps. `app` is a name or an id; an app that is not there is `ClientError.problem` with status 404.
extension PaaSClient {
    /// All apps.
    public func apps() async throws -> [App] {
        try await exchange(Call(target: "/apps"))
    }

    /// One app.
    public func app(_ app: String) async throws -> App {
        try await exchange(Call(target: Self.path(app)))
    }

    /// Creates an app and begins its first rollout. A name that is taken is a problem with status 409.
    public func create(_ spec: AppSpec) async throws -> App {
        try await exchange(Call(method: .POST, target: "/apps"), body: spec)
    }

    /// Changes an app.
    ///
    /// - Parameter redeploy: make a new release and roll it out even when nothing in it has changed.
    public func patch(_ app: String, _ spec: AppSpec, redeploy: Bool = false) async throws -> App {
        let query = PercentEncoding.query([("redeploy", redeploy ? "true" : nil)])
        return try await exchange(Call(method: .PATCH, target: Self.path(app) + query), body: spec)
    }

    /// Deletes an app.
    ///
    /// - Parameter waitSeconds: answer only when the agent has confirmed that nothing of it is left; nil answers at once.
    public func delete(_ app: String, waitSeconds: Int? = nil) async throws {
        let query = PercentEncoding.query([("wait", waitSeconds.map(String.init))])
        let timeout = Self.requestTimeout + .seconds(waitSeconds ?? 0)
        try await perform(Call(method: .DELETE, target: Self.path(app) + query, timeout: timeout))
    }

    /// Begins to start a stopped app; `App.rollout` of the answer is the one to wait for.
    public func start(_ app: String) async throws -> App { try await command(app, "start") }

    /// Begins to stop an app.
    public func stop(_ app: String) async throws -> App { try await command(app, "stop") }

    /// Begins to replace every instance by a new one of the same release.
    public func restart(_ app: String) async throws -> App { try await command(app, "restart") }

    /// Begins to change the number of instances.
    public func scale(_ app: String, instances: Int) async throws -> App {
        try await exchange(
            Call(method: .POST, target: Self.path(app) + "/scale"), body: ["instances": instances])
    }

    /// Begins to bring an earlier release back.
    ///
    /// - Parameter release: `v1`; nil is the one that served before this one.
    public func rollback(_ app: String, release: String? = nil) async throws -> App {
        let body = release.map { ["release": $0] } ?? [:]
        return try await exchange(Call(method: .POST, target: Self.path(app) + "/rollback"), body: body)
    }

    /// Releases of an app.
    public func releases(_ app: String) async throws -> [Release] {
        try await exchange(Call(target: Self.path(app) + "/releases"))
    }

    /// Instances of an app.
    public func instances(_ app: String) async throws -> [Instance] {
        try await exchange(Call(target: Self.path(app) + "/instances"))
    }

    /// Nodes.
    public func nodes() async throws -> [Node] {
        try await exchange(Call(target: "/nodes"))
    }

    static func path(_ app: String) -> String { "/apps/\(PercentEncoding.component(app))" }

    private func command(_ app: String, _ verb: String) async throws -> App {
        try await exchange(Call(method: .POST, target: "\(Self.path(app))/\(verb)"))
    }
}
