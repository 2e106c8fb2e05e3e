// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import PaaSModel

/// Who may use the dashboard, and how they sign in and out.
///
/// The cookie goes to `/ui` only. Browsers send cookies to every port of a host, so with a wider path the router's
/// apps below `/apps/` would be given it.
struct DashboardAccess: Sendable {
    static let cookie = "paas_session"
    static let path = "/ui"

    /// Somebody who is signed in.
    struct Visit: Sendable {
        let principal: Principal
        let formToken: String
        fileprivate let secret: String
    }

    let authenticator: TokenAuthenticator
    let sessions = DashboardSessions()

    /// Nil without a session, or when the token it began with is no longer good.
    func visit(_ request: Request) async throws -> Visit? {
        for secret in Self.secrets(request) {
            guard let session = sessions.session(secret) else { continue }
            guard try await authenticator.isCurrent(session.principal) else {
                sessions.end(secret)
                continue
            }
            return Visit(principal: session.principal, formToken: session.formToken, secret: secret)
        }
        return nil
    }

    /// All cookies of the name: an app on another port of the same host can plant one beside ours, and come first.
    private static func secrets(_ request: Request) -> [String] {
        let pairs = request.headers[values: .cookie].flatMap { $0.split(separator: ";") }
        let named = pairs.map { $0.drop { $0 == " " } }.filter { $0.hasPrefix(cookie + "=") }
        return named.prefix(8).map { String($0.dropFirst(cookie.count + 1)) }
    }

    /// - Throws: `Problem` 401 or 429 for a wrong token, 403 for a form of another site.
    func signIn(token: String, _ request: Request, _ context: APIContext) async throws -> Response {
        try Self.requireOwnOrigin(request)
        let text = token.trimmingWhitespace
        let principal = try await authenticator.principal(of: text, from: context.channel.remoteAddress)
        // One that was there before ends: nobody else goes on with it.
        for old in Self.secrets(request) { sessions.end(old) }
        var response = DashboardResponse.redirect(to: "/ui/")
        response.setCookie(
            Cookie(
                name: Self.cookie, value: sessions.begin(principal),
                maxAge: Int(DashboardSessions.life.nanoseconds / 1_000_000_000), path: Self.path, secure: false,
                httpOnly: true, sameSite: .strict))
        return response
    }

    func signOut(_ visit: Visit) -> Response {
        sessions.end(visit.secret)
        var response = DashboardResponse.redirect(to: "/ui/login")
        response.setCookie(
            Cookie(
                name: Self.cookie, value: "none", maxAge: 0, path: Self.path, secure: false, httpOnly: true,
                sameSite: .strict))
        return response
    }

    /// A form comes from a page of ours: its origin says so, and it brings what only our page knew.
    ///
    /// - Throws: `Problem` 403.
    func requireOwnForm(_ request: Request, _ visit: Visit, formToken: String?) throws {
        try Self.requireOwnOrigin(request)
        guard let formToken, formToken == visit.formToken else {
            throw Problem.forbidden("this form is from an earlier session; go back and load its page again")
        }
    }

    private static func requireOwnOrigin(_ request: Request) throws {
        guard let origin = request.headers[.origin], let host = request.head.authority,
            origin == "http://\(host)" || origin == "https://\(host)"
        else { throw Problem.forbidden("forms are taken only from the dashboard's own pages") }
    }
}

extension String {
    /// What people copy along with a token.
    fileprivate var trimmingWhitespace: String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
