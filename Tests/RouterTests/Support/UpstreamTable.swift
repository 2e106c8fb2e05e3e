// SPDX-License-Identifier: Apache-2.0

import NIOCore

@testable import Router

/// A route table that is asked about upstreams instead of the instances that it makes of them.
final class UpstreamTable {
    enum Choice: Equatable {
        case unknown
        case unavailable(Route.State)
        case full
        case upstream(Upstream)
    }

    let table: RouteTable
    private var claims: [(app: String, claimed: RouteTable.Claimed)] = []

    init(_ table: RouteTable) { self.table = table }

    init(_ upstreams: [Upstream]) {
        table = RouteTable()
        table.set(app: "web", route: Route(state: .ready, upstreams: upstreams))
    }

    func claim(
        app: String, avoiding failed: Upstream? = nil, limit: Int = .max, now: NIODeadline = .now()
    ) -> Choice {
        switch table.claim(app: app, avoiding: failed.map(instance), limit: limit, now: now) {
        case .unknown: return .unknown
        case .unavailable(let state): return .unavailable(state)
        case .full: return .full
        case .instance(let claimed):
            claims.append((app, claimed))
            return .upstream(claimed.instance.upstream)
        }
    }

    /// Ends the oldest claim of the app on the upstream.
    @discardableResult
    func release(_ upstream: Upstream, of app: String, _ ending: RouteTable.Ending? = nil) -> Bool {
        guard let index = claims.firstIndex(where: { $0.app == app && $0.claimed.instance.upstream == upstream })
        else { return false }
        return table.release(claims.remove(at: index).claimed, ending)
    }

    func instance(_ upstream: Upstream) -> Instance {
        table.instance(id: upstream.id) ?? Instance(upstream)
    }

    func eject(_ upstream: Upstream, until deadline: NIODeadline) { table.eject(instance(upstream), until: deadline) }

    func readmit(_ upstream: Upstream) { table.readmit(instance(upstream)) }

    func isRouted(_ upstream: Upstream) -> Bool { table.isRouted(instance(upstream)) }
}
