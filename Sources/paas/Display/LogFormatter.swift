// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// Log lines as `paas logs` shows them.
enum LogFormatter {
    /// `2026-01-02T03:04:05.678Z app[web.1]: text`; lines of the platform are `paas[web.1]: text`,
    /// those about requests `access[web.1]: text`.
    static func text(_ line: LogLine, isTerminal: Bool, style: Style = .plain) -> String {
        let source =
            switch line.stream {
            case .system: "paas"
            case .access: "access"
            case .stdout, .stderr: "app"
            }
        let head = "\(line.time) \(source)[\(line.instance)]:"
        let tone: Style.Tone = line.stream == .stderr ? .warning : .dim
        return "\(style.paint(head, tone)) \(DisplayText.forStream(line.text, isTerminal: isTerminal))"
    }
}
