// SPDX-License-Identifier: Apache-2.0

internal import NIOHTTP1
public import PaaSModel

/// Apps. `app` is a name or an id; an app that is not there is `ClientError.problem` with status 404.
extension PaaSClient {
    /// All apps.
    ///
    /// - Parameter timeout: how long to wait for the answer.
    public func apps(timeout: Duration = .seconds(30)) async throws -> [App] {
        try await exchange(Call(target: "/apps", timeout: timeout))
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
    /// - Parameters:
    ///   - app: name or id.
    ///   - patch: an `AppSpec`, or what encodes like one with nulls for what is to be taken away (RFC 7396).
    ///   - redeploy: make a new release and roll it out even when nothing in it has changed.
    public func patch(_ app: String, _ patch: some Encodable & Sendable, redeploy: Bool = false) async throws -> App {
        let query = PercentEncoding.query([("redeploy", redeploy ? "true" : nil)])
        return try await exchange(Call(method: .PATCH, target: Self.path(app) + query), body: patch)
    }

    /// Deletes an app.
    ///
    /// - Parameters:
    ///   - app: name or id.
    ///   - waitSeconds: answer only when the agent has confirmed that nothing of it is left; nil answers at once.
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
    /// - Parameters:
    ///   - app: name or id.
    ///   - release: `v1`; nil is the one that served before this one.
    public func rollback(_ app: String, release: String? = nil) async throws -> App {
        let body = release.map { ["release": $0] } ?? [:]
        return try await exchange(Call(method: .POST, target: Self.path(app) + "/rollback"), body: body)
    }

    /// Releases of an app.
    public func releases(_ app: String) async throws -> [Release] {
        try await exchange(Call(target: Self.path(app) + "/releases"))
    }

    /// The variables of an app's newest release.
    public func environment(_ app: String) async throws -> [String: String] {
        try await exchange(Call(target: Self.path(app) + "/env"))
    }

    /// The secrets of an app's newest release, without their values.
    public func secrets(_ app: String) async throws -> [Secret] {
        try await exchange(Call(target: Self.path(app) + "/secrets"))
    }

    /// Instances of an app.
    public func instances(_ app: String) async throws -> [Instance] {
        try await exchange(Call(target: Self.path(app) + "/instances"))
    }

    /// What is in force for an app on its node.
    public func inspect(_ app: String) async throws -> AppInspection {
        try await exchange(Call(target: Self.path(app) + "/inspection"))
    }

    /// Nodes.
    public func nodes() async throws -> [Node] {
        try await exchange(Call(target: "/nodes"))
    }

    /// Has the control plane examine its store; for administrators.
    public func checkStore() async throws -> StoreCheck {
        try await exchange(Call(target: "/store", timeout: .seconds(300)))
    }

    static func path(_ app: String) -> String { "/apps/\(PercentEncoding.component(app))" }

    private func command(_ app: String, _ verb: String) async throws -> App {
        try await exchange(Call(method: .POST, target: "\(Self.path(app))/\(verb)"))
    }
}
