// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import ProgramSupport
import Router
import Supervision

/// Puts together what the agent counts, for `GET /metrics` of the control plane. Nothing is read until somebody asks.
struct AgentMetrics: Sendable {
    let sampler: StatsSampler
    let supervisor: Supervisor
    let table: RouteTable

    func current() async -> NodeMetrics {
        let instances = await sampler.metrics { await supervisor.countedSlots() }
        let apps = Set(instances.map(\.app.rawValue))
        let requests = table.requests
        return NodeMetrics(
            agent: .current(), instances: instances, requests: requests.apps.filter { apps.contains($0.key) },
            unrouted: requests.unrouted)
    }
}
