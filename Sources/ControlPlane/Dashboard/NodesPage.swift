// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// What nodes there are, and what each can enforce.
struct NodesPage {
    struct Entry {
        let name: String
        let status: String
        let statusText: String
        let facts: [PageFact]
        let limits: [PageLayer]
        let layers: [PageLayer]
    }

    let headline: String
    let nodes: [Entry]

    init(_ nodes: [Node]) {
        let lost = nodes.count { !$0.connected }
        headline =
            switch (nodes.count, lost) {
            case (0, _): "No nodes"
            case (1, 0): "1 node, connected"
            case (let all, 0): "\(all) nodes, all connected"
            case (let all, let lost): "\(lost) of \(all) nodes not connected"
            }
        self.nodes = nodes.map { node in
            let found = node.capabilities
            return Entry(
                name: node.name, status: node.connected ? "running" : "failed",
                statusText: node.connected ? "connected" : "not connected",
                facts: [
                    PageFact("kernel", found.kernel), PageFact("agent", node.version),
                    PageFact("router", node.routerAddress),
                    PageFact("cgroups", "\(found.cgroupMode), \(found.cgroupRoot)"),
                    PageFact(
                        "controllers",
                        found.controllers.isEmpty
                            ? "none that limits can use" : found.controllers.joined(separator: ", ")),
                    PageFact("networks", found.networks.map(\.rawValue).joined(separator: ", ")),
                    PageFact(
                        "memory of all apps", found.appsMemoryBytes.map { "at most \(ByteCount(bytes: max(0, $0)))" }),
                    PageFact("processes of all apps", found.appsProcesses.map { "at most \($0)" }),
                ].compactMap { $0 },
                limits: (found.limits ?? []).map { PageLayer($0.name, $0.enforced, $0.detail) },
                layers: found.layers.map { PageLayer($0) })
        }
    }
}
