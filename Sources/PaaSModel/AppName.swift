// SPDX-License-Identifier: Apache-2.0

/// The name of an app: a DNS label, because it becomes `{name}.localhost`.
///
/// 1 to 63 characters of `a-z`, `0-9` and `-`, beginning and ending with a letter or digit (RFC 1123 §2.1).
public struct AppName: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The validated name.
    public let rawValue: String

    /// Nil when the text is not a valid name; use ``init(validating:)`` for the reason.
    public init?(rawValue: String) {
        guard let name = try? AppName(validating: rawValue) else { return nil }
        self = name
    }

    /// Creates a name.
    ///
    /// - Throws: `ValidationError` for field `name`.
    public init(validating text: String) throws {
        func invalid(_ why: String) -> ValidationError {
            ValidationError(
                field: "name",
                message: "'\(text.prefix(80))' \(why); use 1 to 63 of a-z, 0-9 and '-', such as 'my-app'")
        }
        guard !text.isEmpty else { throw invalid("is empty") }
        guard text.utf8.count <= 63 else { throw invalid("is longer than 63 characters") }
        let allowed = text.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
        guard allowed else { throw invalid("has a character that is not allowed") }
        guard !text.hasPrefix("-"), !text.hasSuffix("-") else { throw invalid("begins or ends with '-'") }
        self.rawValue = text
    }

    /// The name itself.
    public var description: String { rawValue }

    public static func < (lhs: AppName, rhs: AppName) -> Bool { lhs.rawValue < rhs.rawValue }
}

extension AppName: Codable {
    public init(from decoder: any Decoder) throws {
        try self.init(validating: decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }
}
