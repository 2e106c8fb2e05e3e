// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// Events as `paas events` and `paas status APP` show them.
enum EventFormatter {
    /// `2026-01-02T03:04:05.678Z  exited  shop[web.1]  the sentence`.
    static func text(_ event: Event, isTerminal: Bool, style: Style) -> String {
        let tone: Style.Tone =
            switch event.kind {
            case .failed, .startFailed, .deployFailed, .crashLooping: .bad
            case .exited, .restarting, .warning, .health, .denied, .blocked: .warning
            default: .plain
            }
        let kind = event.kind.rawValue
        let padded = kind + String(repeating: " ", count: max(0, 13 - kind.count))
        let place = (event.app ?? "") + (event.instance.map { "[\($0)]" } ?? "")
        let parts = [
            style.paint("\(event.time)", .dim), style.paint(padded, tone), place,
            DisplayText.forStream(event.message, isTerminal: isTerminal),
        ]
        return parts.filter { !$0.isEmpty }.joined(separator: "  ")
    }
}
