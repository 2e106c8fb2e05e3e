// SPDX-License-Identifier: Apache-2.0

/// A value from outside that this project does not accept.
///
/// `field` names the offending field in the wire form (`limits.memoryBytes`), `message` is one sentence that says
/// what is wrong and what is allowed. Rendered as HTTP 422 by the control plane and as exit code 64 by the CLI.
public struct ValidationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The field in the wire form, with dots for nesting.
    public let field: String
    /// What is wrong, and what to write instead. Never contains a secret.
    public let message: String

    /// Creates an error about one field.
    public init(field: String, message: String) {
        self.field = field
        self.message = message
    }

    /// `field: message`.
    public var description: String { "\(field): \(message)" }
}
