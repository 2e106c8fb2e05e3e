// SPDX-License-Identifier: Apache-2.0

extension OwnPage {
    /// What a route that cannot take a request answers.
    static func unavailable(_ app: String, _ state: Route.State) -> OwnPage {
        switch state {
        case .starting(let message):
            OwnPage(
                status: 503, kind: "app-starting", title: "\(app) is starting",
                detail: sentence(message), retryAfter: 1)
        case .failed(let message):
            OwnPage(
                status: 503, kind: "app-failed", title: "\(app) has failed", detail: sentence(message),
                commands: whyCommands(app))
        case .stopped, .ready:
            OwnPage(
                status: 503, kind: "app-stopped", title: "\(app) is stopped",
                detail: "Somebody stopped this app; start it to reach it.", commands: ["paas start \(app)"])
        }
    }

    static func busy(_ app: String) -> OwnPage {
        OwnPage(
            status: 503, kind: "app-busy", title: "\(app) is busy",
            detail: "It works on as many requests as one app may have here at a time.",
            commands: ["paas top", "paas logs \(app) --access"], retryAfter: 1)
    }

    static func noSuchApp(_ app: String) -> OwnPage {
        OwnPage(
            status: 404, kind: "app-not-found", title: "There is no app named \(app)",
            detail: "It was never deployed here, or it was destroyed.", commands: ["paas status"])
    }

    static let nothingHere = OwnPage(
        status: 404, kind: "not-found", title: "Nothing is served here",
        detail: "Apps are at /apps/NAME/ and, by host name, at NAME.localhost.", commands: ["paas status"])

    static func moved(to location: String) -> OwnPage {
        OwnPage(
            status: 308, kind: "moved", title: "Moved", detail: "The app's address ends with a slash: \(location)",
            location: location)
    }

    /// - Parameter reason: a clause that begins with what the app did: `it refused the connection`; a full stop at its end or none.
    static func badGateway(_ app: String, _ reason: String) -> OwnPage {
        OwnPage(
            status: 502, kind: "bad-gateway", title: "\(app) gave no usable answer",
            detail: sentence("The app was asked, but \(reason)"), commands: whyCommands(app))
    }

    static func tooSlow(_ app: String, seconds: String) -> OwnPage {
        OwnPage(
            status: 504, kind: "gateway-timeout", title: "\(app) did not answer in time",
            detail: "The app was asked, but nothing came back for \(seconds).", commands: whyCommands(app))
    }

    static let requestTimeout = OwnPage(
        status: 408, kind: "request-timeout", title: "The request did not arrive in time",
        detail: "Its sender was silent or slow for too long.")

    static func refused(_ error: FramingError) -> OwnPage {
        OwnPage(
            status: error.status, kind: "malformed-request", title: "This request is refused", detail: error.detail)
    }

    /// The page at `/`; it names no app, since anybody may read it.
    static func front(authority: String) -> OwnPage {
        let port = authority.split(separator: ":").last.flatMap { Int($0) }.map { ":\($0)" } ?? ""
        return OwnPage(
            status: 200, kind: "router", title: "This is the Mini PaaS router",
            detail: "It passes requests on to apps, by path or by host name:",
            commands: [
                "http://\(authority.isEmpty ? "localhost" : authority)/apps/NAME/", "http://NAME.localhost\(port)/",
            ])
    }

    private static func whyCommands(_ app: String) -> [String] { ["paas status \(app)", "paas logs \(app)"] }

    private static func sentence(_ message: String) -> String {
        guard let first = message.first else { return "" }
        let ended = message.last.map { ".!?".contains($0) } ?? false
        return first.uppercased() + message.dropFirst() + (ended ? "" : ".")
    }
}
