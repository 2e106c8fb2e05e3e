// SPDX-License-Identifier: Apache-2.0

/// One message of the stream that an agent follows, `GET /agent/v1/nodes/{name}/assignments?revision=N` (NDJSON).
///
/// The first message is a snapshot, or, when the control plane still has every change since revision N, the changes
/// since then. Level-triggered: a snapshot replaces all that came before.
public enum AssignmentMessage: Codable, Hashable, Sendable {
    /// Everything as of a revision. Apps that are not in `appIDs` are gone, with their data.
    case snapshot(revision: Int64, appIDs: [String], assignments: [Assignment])
    /// One assignment is new or has changed.
    case put(revision: Int64, assignment: Assignment)
    /// One assignment is gone: stop the instance and forget it.
    case delete(revision: Int64, instanceID: String)
    /// An app is gone: its data and logs may go once its instances are.
    case appDeleted(revision: Int64, appID: String)

    /// The store's revision that this message brings the agent to.
    public var revision: Int64 {
        switch self {
        case .snapshot(let revision, _, _), .put(let revision, _), .delete(let revision, _),
            .appDeleted(let revision, _):
            revision
        }
    }
}

/// One report of an agent, `POST /agent/v1/nodes/{name}/reports`.
///
/// Reports are kept on the agent's disk until acknowledged. A report whose sequence is not above the last one that
/// the control plane has for the same instance is a repetition and changes nothing.
public struct AgentReport: Codable, Hashable, Sendable {
    /// Grows over all reports of a node, and survives restarts of the agent.
    public var sequence: Int64
    /// The instance as it is now; an exit stands in `status.lastExit`.
    public var status: InstanceStatus
    /// What happened since the last report, oldest first.
    public var events: [Event]
    /// How many reports of the instance before this one the agent could not keep; nil for none.
    public var lostBefore: Int?

    /// Creates a report.
    public init(sequence: Int64, status: InstanceStatus, events: [Event], lostBefore: Int? = nil) {
        self.sequence = sequence
        self.status = status
        self.events = events
        self.lostBefore = lostBefore
    }
}

/// Body of `POST /agent/v1/nodes/{name}/reports`: reports in the order of their sequence, at most 1,000.
public struct ReportBatch: Codable, Hashable, Sendable {
    /// The reports, oldest first.
    public var reports: [AgentReport]

    /// Creates a batch.
    public init(reports: [AgentReport]) { self.reports = reports }
}

/// Answer to a ``ReportBatch``: everything up to `acknowledged` is on the control plane's disk.
public struct ReportAcknowledgement: Codable, Hashable, Sendable {
    /// The highest sequence of the batch.
    public var acknowledged: Int64

    /// Creates an acknowledgement.
    public init(acknowledged: Int64) { self.acknowledged = acknowledged }
}
