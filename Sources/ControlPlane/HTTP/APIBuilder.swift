// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import PaaSModel

/// Puts the routes of the API together.
struct APIBuilder {
    typealias Handler = @Sendable (Request, APIContext) async throws -> Response

    private(set) var routes: [(method: HTTPRequest.Method, path: String, handler: Handler)] = []

    /// Adds a route; `:name` in the path captures one part of it.
    mutating func on(_ method: HTTPRequest.Method, _ path: String, _ handler: @escaping Handler) {
        routes.append((method, path, handler))
    }

    /// The responder for one listener.
    func responder(_ rule: AccessRule) -> RouterResponder<APIContext> {
        var index = RouteIndex()
        for route in routes { index.add(route.path, route.method.rawValue) }
        let router = Router(context: APIContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: ProblemMiddleware(routes: index))
        router.add(middleware: AuthenticationMiddleware(rule: rule))
        for route in routes { router.on(RouterPath(route.path), method: route.method, use: route.handler) }
        return router.buildResponder()
    }
}
