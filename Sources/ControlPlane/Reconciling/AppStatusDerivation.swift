// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// Computes what the API shows of an app from what is stored. Pure.
enum AppStatusDerivation {
    /// The contract's status.
    static func status(of state: AppState) -> AppStatus {
        guard let app = state.app else { return .stopped }
        let assigned = state.assigned
        // An app without instances may still be ending its last ones.
        let relevant = (assigned.isEmpty ? Array(state.instances.values) : assigned).map(\.status)
        let states = Set(relevant.map(\.state))
        if app.desired == .stopped || app.target.instances == 0 {
            if states.contains(.running) || states.contains(.stopping) { return .running }
            return states.contains(.starting) ? .pending : .stopped
        }
        if states.contains(.running) { return .running }
        if relevant.contains(where: { $0.state == .restarting || ($0.state == .starting && $0.restarts > 0) }) {
            return .restarting
        }
        guard !assigned.isEmpty, states.isSubset(of: [.failed, .stopped]) else { return .pending }
        // Stopped although it should run: it ended well, and its restart policy leaves it at that.
        return states.contains(.failed) ? .failed : .stopped
    }

    /// The whole view.
    ///
    /// - Parameter nodes: all nodes, for the URLs and for whether the agent can be heard. `connected` is read.
    static func view(of state: AppState, nodes: [String: Node]) -> App? {
        guard let app = state.app, let release = state.currentRelease else { return nil }
        let status = status(of: state)
        let instances = state.assigned
        let shown = instances.first { $0.status.state == .running } ?? instances.first
        var view = App(
            id: app.id, name: app.name, command: release.spec.command, status: status,
            instances: app.target.instances, release: release.name, limits: release.spec.limits,
            createdAt: app.createdAt, updatedAt: app.updatedAt)
        view.reason = reason(status, state, nodes)
        view.crashLooping = instances.contains { $0.status.crashLooping }
        view.port = shown?.status.port
        view.pid = shown?.status.pid
        view.restarts = instances.reduce(0) { $0 + $1.status.restarts }
        view.instancesReady = instances.filter { $0.status.state == .running }.count
        view.startedAt = shown?.status.startedAt
        view.lastExit = app.lastExit
        view.rollout = app.rollout
        view.desired = app.desired
        view.healthPath = release.spec.healthPath
        view.restart = release.spec.restart
        view.network = release.spec.network ?? shown.flatMap { nodes[$0.node]?.capabilities.networks.first }
        view.sandbox = release.spec.sandbox
        view.urls = urls(app.name, instances.compactMap { nodes[$0.node] } + nodes.values.sorted { $0.name < $1.name })
        return view
    }

    /// One sentence where the status alone leaves a question open.
    private static func reason(_ status: AppStatus, _ state: AppState, _ nodes: [String: Node]) -> String? {
        guard let app = state.app else { return nil }
        let deaf = state.assigned.first { nodes[$0.node]?.connected != true }
        if let deaf, status != .stopped {
            return "node '\(deaf.node)': its agent is not connected; this is what it last said"
        }
        switch status {
        case .running: return nil
        case .stopped:
            guard app.desired == .running else { return nil }
            return app.target.instances == 0 ? "scaled to 0 instances" : "it has ended, and is not restarted after that"
        case .pending, .restarting, .failed:
            let told = state.assigned.lazy.compactMap(\.status.reason).first { !$0.isEmpty }
            return told ?? app.rollout.message
        }
    }

    /// Where a router serves the app: the first node that tells its router's address.
    private static func urls(_ name: AppName, _ nodes: [Node]) -> [String] {
        guard let address = nodes.lazy.map(\.routerAddress).first(where: { !$0.isEmpty }) else { return [] }
        let port = address.split(separator: ":").last.map(String.init) ?? "8080"
        return ["http://\(address)/apps/\(name)/", "http://\(name).localhost:\(port)/"]
    }
}
