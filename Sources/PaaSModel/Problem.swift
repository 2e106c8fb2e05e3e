// SPDX-License-Identifier: Apache-2.0

/// An error of the API, RFC 9457 `application/problem+json`.
public struct Problem: Error, Codable, Hashable, Sendable, CustomStringConvertible {
    /// A URI reference that names the kind: `/problems/app-not-found`.
    public var type: String
    /// The kind in a few words.
    public var title: String
    /// The HTTP status.
    public var status: Int
    /// What happened here, and what to do.
    public var detail: String
    /// The offending field, for 422.
    public var field: String?

    /// Creates a problem.
    public init(type: String, title: String, status: Int, detail: String, field: String? = nil) {
        self.type = type
        self.title = title
        self.status = status
        self.detail = detail
        self.field = field
    }

    /// The detail.
    public var description: String { detail }
}
