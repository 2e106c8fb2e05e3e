// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import PaaSModel

/// Puts the routes of the API together.
struct APIBuilder {
    typealias Handler = @Sendable (Request, APIContext) async throws -> Response

    /// One method of one path.
    struct Route: Sendable {
        let method: HTTPRequest.Method
        /// `:name` captures one part.
        let path: String
        let access: RouteAccess
        let handler: Handler
    }

    private(set) var routes: [Route] = []

    /// Adds a route; `:name` in the path captures one part of it.
    mutating func on(
        _ method: HTTPRequest.Method, _ path: String, access: RouteAccess, _ handler: @escaping Handler
    ) {
        routes.append(Route(method: method, path: path, access: access, handler: handler))
    }

    /// The responder for one listener.
    func responder(_ rule: AccessRule, _ authorizer: Authorizer) -> RouterResponder<APIContext> {
        var (index, open) = (RouteIndex(), RouteIndex())
        for route in routes {
            index.add(route.path, route.method.rawValue)
            if route.access == .everybody { open.add(route.path, route.method.rawValue) }
        }
        let router = Router(context: APIContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: ProblemMiddleware(routes: index))
        router.add(middleware: AuthenticationMiddleware(openRoutes: open, rule: rule))
        for route in routes {
            // Probes and browsers may add what they like.
            let parameters = route.access == .everybody ? nil : OperationTable.operation(of: route)?.queryNames
            router.on(RouterPath(route.path), method: route.method) { request, context in
                try await authorizer.check(
                    route.access, context.principal, app: context.parameter("name"),
                    what: "\(request.method) \(request.uri.path)")
                if let parameters { try request.requireQuery(of: parameters) }
                return try await route.handler(request, context)
            }
        }
        return router.buildResponder()
    }
}
