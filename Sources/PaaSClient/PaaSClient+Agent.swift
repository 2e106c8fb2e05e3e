// SPDX-License-Identifier: Apache-2.0

internal import NIOHTTP1
public import PaaSModel

/// What an agent says and asks.
extension PaaSClient {
    /// Makes the node known, or known again. `connected` and `registeredAt` are the control plane's and ignored.
    public func register(_ node: Node) async throws {
        try await perform(Call(method: .PUT, target: Self.nodePath(node.name)), body: node)
    }

    /// Follows what should run on a node.
    ///
    /// The first message is a snapshot, or, when the control plane still knows every change since `revision`, the
    /// changes since then. Waiting for the next message costs nothing: no timer, no keep-alive, no read timeout; the
    /// end of the connection is the signal that the control plane is gone.
    public func assignments(node: String, revision: Int64? = nil) async throws -> NDJSONStream<AssignmentMessage> {
        let query = PercentEncoding.query([("revision", revision.map(String.init))])
        return try await stream(Call(target: Self.nodePath(node) + "/assignments" + query), of: AssignmentMessage.self)
    }

    /// Sends reports; what the answer acknowledges is on the control plane's disk.
    public func report(node: String, _ batch: ReportBatch) async throws -> ReportAcknowledgement {
        try await exchange(Call(method: .POST, target: Self.nodePath(node) + "/reports"), body: batch)
    }

    private static func nodePath(_ node: String) -> String { "/agent/v1/nodes/\(PercentEncoding.component(node))" }
}
