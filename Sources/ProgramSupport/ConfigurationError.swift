// SPDX-License-Identifier: Apache-2.0

/// A configuration file, or a setting, that cannot be used.
///
/// A main prints `description` and ends with ``ExitStatus/usage``.
public struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file, or where else the setting came from (`PAAS_LISTEN`).
    public let source: String
    /// Line in the file, 1 for the first; nil where it is not known.
    public let line: Int?
    /// One sentence: what is wrong, and what to write instead.
    public let message: String

    /// Creates an error.
    public init(source: String, line: Int? = nil, message: String) {
        self.source = source
        self.line = line
        self.message = message
    }

    /// `paasd.toml:3: unknown key 'lisen'; …`.
    public var description: String { "\(source)\(line.map { ":\($0)" } ?? ""): \(message)" }
}
