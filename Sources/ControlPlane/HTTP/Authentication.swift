// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Hummingbird
internal import NIOCore
internal import PaaSModel

/// How a listener knows who asks.
public enum AccessRule: Sendable {
    /// `Authorization: Bearer …` with the administrator's token, for TCP.
    case token(AdminToken)
    /// The peer's credentials (SO_PEERCRED, unix(7)): root or this process's own user, for a Unix socket.
    case peerCredentials
}

/// Lets only administrators pass; `/healthz` and `/readyz` are open.
struct AuthenticationMiddleware: RouterMiddleware {
    typealias Context = APIContext

    static let openPaths: Set<String> = ["/healthz", "/readyz"]
    let rule: AccessRule

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        if !Self.openPaths.contains(request.uri.path) {
            switch rule {
            case .token(let token): try Self.check(request.headers[.authorization], token)
            case .peerCredentials: try await Self.checkPeer(context.channel)
            }
        }
        return try await next(request, context)
    }

    private static func check(_ header: String?, _ token: AdminToken) throws {
        guard let header else { throw Problem.unauthenticated }
        let words = header.split(separator: " ", omittingEmptySubsequences: true)
        guard words.count == 2, words[0].lowercased() == "bearer", token.matches(String(words[1])) else {
            throw Problem.unauthenticated
        }
    }

    /// `struct ucred` of socket(7).
    private struct Credentials: Sendable {
        var pid: Int32 = 0
        var uid: UInt32 = .max
        var gid: UInt32 = .max
    }

    private static func checkPeer(_ channel: any Channel) async throws {
        guard let provider = channel as? any SocketOptionProvider else {
            throw Problem.forbidden("the peer's credentials cannot be read")
        }
        let peer: Credentials = try await provider.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED)
        ).get()
        guard peer.uid == 0 || peer.uid == geteuid() else {
            throw Problem.forbidden(
                "user \(peer.uid) may not use this control plane; ask as root or as the user that runs paasd")
        }
    }
}
