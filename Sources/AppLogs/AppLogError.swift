// SPDX-License-Identifier: Apache-2.0

public import LinuxSystem

/// Why an app's logs could not be read, opened or removed.
public enum AppLogError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The text cannot be the id of an app, so it names no directory.
    case invalidAppID(String)
    /// A regular expression that cannot be used, and why.
    case invalidPattern(String)
    /// A regular expression needed more steps for one line than it may.
    case patternTooCostly(String)
    /// The kernel refused something on the files of the logs.
    case storage(SystemError)

    /// One sentence that says what failed.
    public var description: String {
        switch self {
        case .invalidAppID(let text):
            "'\(text.prefix(80))' is not an app id; use the id that GET /apps shows (1 to 64 of a-z, 0-9 and '-')"
        case .invalidPattern(let reason):
            "the regular expression \(reason)"
        case .patternTooCostly(let text):
            "the regular expression '\(text.prefix(80))' needs too many steps for a line; repeat less inside of a repetition"
        case .storage(let error):
            "logs: \(error)"
        }
    }
}
