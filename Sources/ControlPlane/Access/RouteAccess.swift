// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// Who may use a route. Every route says it; there is no default that could be too wide.
enum RouteAccess: Hashable, Sendable {
    /// Anybody, without being known.
    case everybody
    /// Whoever is known; the route itself shows only what its scope opens.
    case known
    /// Looking at something of all apps: `admin` and `read`.
    case read
    /// Looking at the app that `:name` names: also `deploy` of that app.
    case readApp
    /// Changing the app that `:name` names: `admin`, and `deploy` of that app.
    case changeApp
    /// What a deploy of whatever app needs: `admin` and `deploy`.
    case deploy
    /// `admin` alone.
    case admin
}

/// Decides whether a principal may use a route.
struct Authorizer: Sendable {
    let service: ControlPlaneService
    /// Bounds the events about refusals, for each token.
    private let limiter = FailureLimiter()

    init(service: ControlPlaneService) { self.service = service }

    /// - Parameters:
    ///   - app: the name or id in the path, for routes of one app.
    ///   - what: the request, for the event: `POST /apps/shop/stop`.
    /// - Throws: `Problem` 401 or 403.
    func check(_ access: RouteAccess, _ principal: Principal?, app: String, what: String) async throws {
        guard access != .everybody else { return }
        guard let principal else { throw Problem.unauthenticated }
        guard try await !allows(access, principal.scope, app: app) else { return }
        let source = principal.tokenID ?? principal.name
        if limiter.failed(source) == .counted {
            await service.audit(.denied, "\(principal.name) (\(principal.scope)) was refused \(what.prefix(200))")
        }
        throw Problem.scopeExceeded(principal.scope)
    }

    private func allows(_ access: RouteAccess, _ scope: TokenScope, app: String) async throws -> Bool {
        switch (access, scope) {
        case (.everybody, _), (.known, _), (_, .admin): true
        case (.read, .read), (.readApp, .read): true
        case (.readApp, .deploy(let own)), (.changeApp, .deploy(let own)): try await names(app, own)
        case (.deploy, .deploy): true
        case (.admin, _), (.deploy, .read), (.changeApp, .read), (.read, .deploy): false
        }
    }

    /// The name or id in a path means the app with this name.
    private func names(_ text: String, _ own: AppName) async throws -> Bool {
        do {
            return try await service.name(of: service.resolve(text)) == own
        } catch let problem as Problem where problem.status == 404 {
            // That their own app is not there, they may know; of others not even that.
            return text == own.rawValue
        }
    }
}
