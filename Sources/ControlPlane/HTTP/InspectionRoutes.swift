// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Hummingbird
internal import PaaSModel

/// `GET /apps/{…}/inspection`: read by the agent that has the app.
struct InspectionRoutes: Sendable {
    let service: ControlPlaneService
    let agents: AgentClient

    func add(to api: inout APIBuilder) {
        api.on(.get, "/apps/:name/inspection", access: .readApp) { _, context in
            try .json(try await inspection(context.parameter("name")))
        }
    }

    func inspection(_ name: String) async throws -> AppInspection {
        let snapshot = try await service.snapshot(name)
        let app = try await service.app(name).app
        guard let record = snapshot.state.app, let node = record.node.flatMap({ snapshot.nodes[$0] }) else {
            // No node has the app yet, so nothing is in force.
            return AppInspection(app: app, instances: [])
        }
        let collected = InspectionLines()
        try await agents.lines(node, "/v1/apps/\(record.id)/inspection", follow: false).forEach { line in
            await collected.add(try JSONDecoder().decode(InstanceInspection.self, from: Data(line)))
        }
        return AppInspection(app: app, instances: await collected.instances)
    }
}

private actor InspectionLines {
    var instances: [InstanceInspection] = []

    func add(_ instance: InstanceInspection) { instances.append(instance) }
}
