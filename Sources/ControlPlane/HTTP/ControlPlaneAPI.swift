// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import NIOCore
public import PaaSModel

/// The REST API over a control plane.
public struct ControlPlaneAPI: Sendable {
    /// Streams that may be open at the same time: followed events and logs, and agents.
    public static let maxStreams = 512

    /// Commands that may run beside apps at the same time.
    public static let maxSessions = 128

    private let service: ControlPlaneService
    private let agents: AgentClient
    private let limiter: StreamLimiter
    private let usage: (@Sendable () -> ProcessUsage)?
    private let sessionLimiter = StreamLimiter(limit: ControlPlaneAPI.maxSessions)

    /// Creates the API.
    ///
    /// - Parameters:
    ///   - service: what answers.
    ///   - agents: asked for logs, statistics and sessions.
    ///   - maxStreams: streams that may be open at once.
    ///   - usage: what this process uses, for metrics; they say nothing of it without.
    public init(
        service: ControlPlaneService, agents: AgentClient, maxStreams: Int = ControlPlaneAPI.maxStreams,
        usage: (@Sendable () -> ProcessUsage)? = nil
    ) {
        self.service = service
        self.agents = agents
        self.usage = usage
        limiter = StreamLimiter(limit: maxStreams)
    }

    /// What answers the requests of one listener.
    func responder(_ rule: AccessRule) -> RouterResponder<APIContext> {
        var api = describedRoutes()
        let authorizer = Authorizer(service: service)
        // Pages for people, which the document does not describe.
        if case .token(let authenticator) = rule { addDashboard(to: &api, authenticator, authorizer) }
        return api.responder(rule, authorizer)
    }

    /// All routes that `/openapi.json` describes, and that itself.
    func describedRoutes() -> APIBuilder {
        var api = APIBuilder()
        api.on(.get, "/healthz", access: .everybody) { _, _ in Response.plain("ok\n") }
        api.on(.get, "/readyz", access: .everybody) { _, _ in
            // Ready means that the store answers.
            _ = try await service.store.revision()
            return Response.plain("ready\n")
        }
        api.on(.get, "/store", access: .admin) { _, _ in try .json(try await service.store.check()) }
        AppRoutes(service: service, limiter: limiter).add(to: &api)
        EnvironmentRoutes(service: service).add(to: &api)
        EventRoutes(service: service, limiter: limiter).add(to: &api)
        LogRoutes(service: service, agents: agents, limiter: limiter).add(to: &api)
        StatsRoutes(service: service, agents: agents, limiter: limiter).add(to: &api)
        MetricsRoutes(service: service, agents: agents, limiter: limiter, usage: usage).add(to: &api)
        SessionRoutes(service: service, agents: agents, limiter: sessionLimiter).add(to: &api)
        InspectionRoutes(service: service, agents: agents).add(to: &api)
        TokenRoutes(service: service).add(to: &api)
        BundleRoutes(service: service).add(to: &api)
        AgentRoutes(service: service, limiter: limiter).add(to: &api)
        let document = OpenAPIDocument.make(api.routes + [OpenAPIDocument.ownRoute])
        api.on(.get, OpenAPIDocument.ownRoute.path, access: OpenAPIDocument.ownRoute.access) { _, _ in
            try .json(document)
        }
        return api
    }

    private func addDashboard(
        to api: inout APIBuilder, _ authenticator: TokenAuthenticator, _ authorizer: Authorizer
    ) {
        DashboardRoutes(
            service: service, inspections: InspectionRoutes(service: service, agents: agents),
            logs: LogRoutes(service: service, agents: agents, limiter: limiter),
            live: DashboardLive(service: service, agents: agents, limiter: limiter),
            access: DashboardAccess(authenticator: authenticator), authorizer: authorizer, templates: .written
        ).add(to: &api)
    }
}

extension Response {
    fileprivate static func plain(_ text: String) -> Response {
        Response(
            status: .ok, headers: [.contentType: "text/plain; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
