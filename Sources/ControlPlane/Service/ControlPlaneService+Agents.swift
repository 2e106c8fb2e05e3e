// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel
internal import ServiceLifecycle

extension ControlPlaneService {
    /// Reports that one request may carry.
    static let maxReports = 1_000
    /// Events that one report may carry.
    static let maxEventsPerReport = 100

    /// An agent says who it is and what its node can do.
    ///
    /// - Throws: `ValidationError` when the names differ or an address is not one.
    func register(_ node: Node, as name: String) async throws -> Node {
        guard node.name == name else {
            throw ValidationError(field: "name", message: "is not the node's name in the path")
        }
        let letters = name.utf8.allSatisfy {
            (0x61...0x7A).contains($0) || (0x41...0x5A).contains($0) || (0x30...0x39).contains($0)
                || $0 == 0x2D || $0 == 0x2E || $0 == 0x5F
        }
        guard !name.isEmpty, name.utf8.count <= 253, letters else {
            throw ValidationError(field: "name", message: "is not 1 to 253 letters, digits, '-', '.' and '_'")
        }
        guard AgentAddress(node.agentAddress) != nil else {
            throw ValidationError(
                field: "agentAddress", message: "is not 'unix:/path' or 'http://HOST:PORT'")
        }
        var stored = node
        stored.connected = false
        stored.registeredAt = .now
        let record = stored
        let waiting: @Sendable () async throws -> [String] = { [store] in
            try await store.read([KeyRange(prefix: StoreKey.apps)]).ranges[0].map {
                String($0.key.dropFirst(StoreKey.apps.count))
            }
        }
        _ = try await change(load: waiting) { [presence] change in
            if change.nodes[name] == nil {
                change.add(
                    Event(time: change.now, kind: .node, message: "node '\(name)' registered (agent \(node.version))"),
                    appID: nil)
            }
            change.operations.append(try .put(StoreKey.node(name), record))
            change.nodes[name] = record
            change.nodes[name]?.connected = presence.connected.contains(name)
        }
        return record
    }

    /// - Throws: `Problem` 404 for a node that has not registered.
    func requireNode(_ name: String) async throws {
        guard try await store.get(StoreKey.node(name)) != nil else { throw Problem.nodeNotFound(name) }
    }

    /// An agent tells what happened. Idempotent: a report at or below the last sequence of its instance is skipped.
    ///
    /// - Throws: `Problem` 404 for a node that has not registered, `ValidationError` for too many reports.
    func report(_ batch: ReportBatch, from node: String) async throws -> ReportAcknowledgement {
        guard batch.reports.count <= Self.maxReports else {
            throw ValidationError(field: "reports", message: "are more than \(Self.maxReports); send them in parts")
        }
        try await requireNode(node)
        let ids = Array(Set(batch.reports.map(\.status.instanceID)))
        let entries = try await store.read(ids.map { KeyRange(prefix: StoreKey.owner($0)) })
        var owners: [String: String] = [:]
        for entry in entries.ranges.joined() {
            owners[String(entry.key.dropFirst(StoreKey.owner("").count))] = try RecordCoding.decode(String.self, entry)
        }
        let known = owners
        if !known.isEmpty {
            _ = try await change(load: { Array(known.values) }) { change in
                for report in batch.reports {
                    guard let appID = known[report.status.instanceID] else { continue }
                    Self.apply(report, appID: appID, node: node, &change)
                }
            }
        }
        return ReportAcknowledgement(acknowledged: batch.reports.map(\.sequence).max() ?? 0)
    }

    private static func apply(_ report: AgentReport, appID: String, node: String, _ change: inout Change) {
        let id = report.status.instanceID
        guard var instance = change.states[appID]?.instances[id], instance.node == node,
            report.sequence > instance.lastSequence
        else { return }
        let before = instance.status.lastExit
        instance.lastSequence = report.sequence
        instance.status = report.status
        instance.wasReady = instance.wasReady || report.status.state == .running
        change.states[appID]?.instances[id] = instance
        // Not by its time: somebody may have set the clock back.
        if let exit = report.status.lastExit, exit != before { change.states[appID]?.app?.lastExit = exit }
        for var event in report.events.prefix(maxEventsPerReport) {
            // The control plane knows better which app an instance belongs to.
            event.app = change.states[appID]?.app?.name.rawValue ?? event.app
            event.message = String(event.message.prefix(2_000))
            change.add(event, appID: appID)
        }
    }

    /// Emits a node's assignments: a snapshot, or what has changed since `revision`, then every change, until the
    /// task is cancelled or the service group shuts down. While it runs, the node counts as connected.
    ///
    /// - Throws: `Problem` 404 for a node that has not registered; what `emit` throws.
    func followAssignments(
        node: String, after revision: Int64?, emit: ([AssignmentMessage]) async throws -> Void
    ) async throws {
        try await requireNode(node)
        if presence.opened(node) { await presenceChanged(node, "connected") }
        let result: Swift.Result<Void, any Error>
        do {
            result = .success(try await pumpAssignments(node, after: revision, emit: emit))
        } catch {
            result = .failure(error)
        }
        // When the control plane itself stops, its agents are not lost.
        if presence.closed(node), !Task.isShuttingDownGracefully {
            // In a task of its own: this one may be cancelled, and the store would refuse it.
            await Task { await self.presenceChanged(node, "disconnected") }.value
        }
        try result.get()
    }

    private func pumpAssignments(
        _ node: String, after revision: Int64?, emit: ([AssignmentMessage]) async throws -> Void
    ) async throws {
        let prefix = StoreKey.assignments(node)
        var position = revision
        while !Task.isCancelled {
            if position == nil {
                let (messages, revision) = try await beginning(of: node)
                try await emit(messages)
                position = revision
            }
            do {
                let changes = store.watch([prefix, StoreKey.apps], after: position ?? 0)
                for try await changes in changes.untilShutdown() {
                    let messages = try Self.messages(changes, prefix: prefix)
                    if !messages.isEmpty { try await emit(messages) }
                }
                return
            } catch StoreError.compacted {
                position = nil
            }
        }
    }

    /// What a stream begins with, and its revision: a deletion for every instance whose removal the agent has not
    /// confirmed, then the snapshot. An instance that came and went while the agent was away is in no snapshot, and
    /// without its deletion it would wait for the confirmation for ever.
    private func beginning(of node: String) async throws -> (messages: [AssignmentMessage], revision: Int64) {
        let found = try await store.read(
            [StoreKey.assignments(node), StoreKey.apps, StoreKey.instances].map { KeyRange(prefix: $0) })
        let assignments = try found.ranges[0].map { try RecordCoding.decode(Assignment.self, $0) }
        let ids = found.ranges[1].map { String($0.key.dropFirst(StoreKey.apps.count)) }
        let retired = try found.ranges[2].map { try RecordCoding.decode(InstanceRecord.self, $0) }
            .filter { $0.node == node && $0.retired }
        // With revision 0: an agent that loses the connection before the snapshot begins anew.
        let deletions = retired.map { AssignmentMessage.delete(revision: 0, instanceID: $0.id) }
        let snapshot = AssignmentMessage.snapshot(revision: found.revision, appIDs: ids, assignments: assignments)
        return (deletions + [snapshot], found.revision)
    }

    /// Changes as messages. Only the last one of a revision carries it: an agent that loses the connection between
    /// two of them then resumes before the first.
    static func messages(_ changes: [StoreChange], prefix: String) throws -> [AssignmentMessage] {
        let relevant = changes.filter { $0.key.hasPrefix(prefix) || $0.value == nil }
        return try relevant.enumerated().map { index, change in
            let isLast = index + 1 == relevant.count || relevant[index + 1].revision != change.revision
            let revision = isLast ? change.revision : change.revision - 1
            if change.key.hasPrefix(StoreKey.apps) {
                return .appDeleted(revision: revision, appID: String(change.key.dropFirst(StoreKey.apps.count)))
            }
            guard let value = change.value else {
                return .delete(revision: revision, instanceID: String(change.key.dropFirst(prefix.count)))
            }
            let assignment = try RecordCoding.decode(Assignment.self, key: change.key, value)
            return .put(revision: revision, assignment: assignment)
        }
    }

    private func presenceChanged(_ node: String, _ what: String) async {
        // The stream goes on without the event: presence is only shown, nothing is decided by it alone.
        _ = try? await change(load: { [store] in
            try await store.read([KeyRange(prefix: StoreKey.apps)]).ranges[0].map {
                String($0.key.dropFirst(StoreKey.apps.count))
            }
        }) { change in
            let event = Event(time: change.now, kind: .node, message: "agent of node '\(node)' \(what)")
            change.add(event, appID: nil)
        }
    }
}
