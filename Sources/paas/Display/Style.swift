// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials

/// Colours, or their absence.
struct Style: Hashable, Sendable {
    /// What a piece of text means.
    enum Tone: String {
        case plain = ""
        case bold = "1"
        case dim = "2"
        case bad = "31"
        case good = "32"
        case warning = "33"
    }

    /// Escape sequences are written.
    let isColoured: Bool

    /// No colours.
    static let plain = Style(isColoured: false)

    /// Colours on a terminal, unless `NO_COLOR` is set to anything (no-color.org) or `TERM` is `dumb`.
    static func of(
        _ stream: OutputStream, environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> Style {
        Style(isColoured: stream.isTerminal && allowsColour(environment))
    }

    static func allowsColour(_ environment: [String: String]) -> Bool {
        environment["NO_COLOR", default: ""].isEmpty && environment["TERM"] != "dumb"
    }

    /// The terminal can move its cursor: `TERM` is set, and not `dumb`.
    static func hasScreen(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> Bool {
        !["", "dumb"].contains(environment["TERM", default: ""])
    }

    /// The text in its tone.
    func paint(_ text: String, _ tone: Tone) -> String {
        isColoured && tone != .plain ? "\u{1B}[\(tone.rawValue)m\(text)\u{1B}[0m" : text
    }
}
