// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Hummingbird
internal import NIOCore
internal import PaaSModel

/// How a listener knows who asks.
public enum AccessRule: Sendable {
    /// `Authorization: Bearer …`, for TCP.
    case token(TokenAuthenticator)
    /// The peer's credentials (SO_PEERCRED, unix(7)): root or this process's own user, for a Unix socket.
    case peerCredentials
}

/// Finds out who asks. What they may do is each route's matter, see `RouteAccess`.
struct AuthenticationMiddleware: RouterMiddleware {
    typealias Context = APIContext

    /// Routes for everybody; a path that does not exist is not one of them, so that strangers cannot look around.
    let openRoutes: RouteIndex
    let rule: AccessRule

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        if openRoutes.methods(for: request.uri.path).isEmpty {
            context.principal = try await principal(request, context)
        }
        // An agent reports what happened by itself; nobody asked for that.
        let actor = request.uri.path.hasPrefix("/agent/") ? nil : context.principal
        return try await Principal.$current.withValue(actor) { try await next(request, context) }
    }

    private func principal(_ request: Request, _ context: APIContext) async throws -> Principal {
        switch rule {
        case .token(let authenticator):
            guard let header = request.headers[.authorization] else { throw Problem.unauthenticated }
            let words = header.split(separator: " ", omittingEmptySubsequences: true)
            guard words.count == 2, words[0].lowercased() == "bearer" else { throw Problem.unauthenticated }
            return try await authenticator.principal(of: String(words[1]), from: context.channel.remoteAddress)
        case .peerCredentials: return try await Self.peer(context.channel)
        }
    }

    /// `struct ucred` of socket(7).
    private struct Credentials: Sendable {
        var pid: Int32 = 0
        var uid: UInt32 = .max
        var gid: UInt32 = .max
    }

    private static func peer(_ channel: any Channel) async throws -> Principal {
        guard let provider = channel as? any SocketOptionProvider else {
            throw Problem.forbidden("the peer's credentials cannot be read")
        }
        let peer: Credentials = try await provider.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED)
        ).get()
        guard let principal = Principal.peer(uid: peer.uid) else {
            throw Problem.forbidden(
                "user \(peer.uid) may not use this control plane; ask as root or as the user that runs paasd")
        }
        return principal
    }
}
