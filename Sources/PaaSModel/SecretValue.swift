// SPDX-License-Identifier: Apache-2.0

/// The value of a secret. It is written to the store, to an agent and into the app's sandbox, and shown nowhere: printing,
/// interpolating or reflecting it gives a placeholder.
public struct SecretValue: Hashable, Sendable {
    /// The value itself.
    public let text: String

    /// Wraps a value.
    public init(_ text: String) { self.text = text }
}

extension SecretValue: Codable {
    public init(from decoder: any Decoder) throws {
        text = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

extension SecretValue: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "(secret)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// One element of `GET /apps/{…}/secrets`: that a secret is there, and nothing of its value.
public struct Secret: Codable, Hashable, Sendable {
    /// Directory of the files in the app's view.
    public static let directory = "/run/secrets"

    /// Name of the variable and of the file.
    public var name: String
    /// The file in the app's view.
    public var file: String

    /// The secret of a name.
    public init(name: String) {
        self.name = name
        file = "\(Self.directory)/\(name)"
    }
}
