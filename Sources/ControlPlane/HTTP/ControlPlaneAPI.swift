// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import NIOCore
internal import PaaSModel

/// The REST API over a control plane.
public struct ControlPlaneAPI: Sendable {
    /// Streams that may be open at the same time: followed events and logs, and agents.
    public static let maxStreams = 512

    private let service: ControlPlaneService
    private let agents: AgentClient
    private let limiter: StreamLimiter

    /// Creates the API.
    public init(service: ControlPlaneService, agents: AgentClient, maxStreams: Int = ControlPlaneAPI.maxStreams) {
        self.service = service
        self.agents = agents
        limiter = StreamLimiter(limit: maxStreams)
    }

    /// What answers the requests of one listener.
    func responder(_ rule: AccessRule) -> RouterResponder<APIContext> {
        var api = APIBuilder()
        api.on(.get, "/healthz") { _, _ in Response.plain("ok\n") }
        api.on(.get, "/readyz") { _, _ in
            // Ready means that the store answers.
            _ = try await service.store.revision()
            return Response.plain("ready\n")
        }
        AppRoutes(service: service).add(to: &api)
        EventRoutes(service: service, limiter: limiter).add(to: &api)
        LogRoutes(service: service, agents: agents, limiter: limiter).add(to: &api)
        BundleRoutes(bundles: service.bundles).add(to: &api)
        AgentRoutes(service: service, limiter: limiter).add(to: &api)
        return api.responder(rule)
    }
}

extension Response {
    fileprivate static func plain(_ text: String) -> Response {
        Response(
            status: .ok, headers: [.contentType: "text/plain; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
