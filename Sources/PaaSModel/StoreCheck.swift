// SPDX-License-Identifier: Apache-2.0

/// What the control plane found when it examined its store: the answer of `GET /store`.
public struct StoreCheck: Codable, Hashable, Sendable {
    /// The engine's complaints; empty when everything is as it should be.
    public var problems: [String]
    /// The revision of the newest change.
    public var revision: Int64
    /// Bytes of the store on disk, its log included.
    public var sizeBytes: Int64

    /// Creates a finding.
    public init(problems: [String], revision: Int64, sizeBytes: Int64) {
        self.problems = problems
        self.revision = revision
        self.sizeBytes = sizeBytes
    }
}
