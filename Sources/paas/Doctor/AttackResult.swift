// SPDX-License-Identifier: Apache-2.0

/// One line of what `paas-attacks` prints.
struct AttackResult: Codable, Hashable {
    /// How an attack went.
    enum Outcome: String, Codable {
        /// It was refused, as it must be.
        case stopped
        /// The defence does not hold.
        case succeeded
        /// Not tried: `seen` says why.
        case skipped
    }

    /// Name of the case.
    var `case`: String
    /// `files`, `processes`, `kernel`, `sockets` or `network`.
    var area: String
    /// What was tried.
    var act: String
    /// What stops it.
    var defence: String
    /// Layers without which it succeeds.
    var openedBy: String
    var outcome: Outcome
    /// The kernel's answer, `EPERM`.
    var seen: String
}

/// What the whole suite came to.
struct AttackReport: Codable {
    var node: String
    var stopped: Int
    var tried: Int
    var cases: [AttackResult]

    init(node: String, cases: [AttackResult]) {
        self.node = node
        self.cases = cases
        stopped = cases.filter { $0.outcome == .stopped }.count
        tried = cases.filter { $0.outcome != .skipped }.count
    }

    /// A line for each case and the sum, for people.
    func text(style: Style) -> String {
        var table = Table([.init(title: "CASE"), .init(title: "OUTCOME"), .init(title: "SEEN"), .init(title: "WHAT")])
        table.rows = cases.map { result in
            let tone: Style.Tone =
                switch result.outcome {
                case .stopped: .good
                case .succeeded: .bad
                case .skipped: .dim
                }
            let seen =
                result.outcome == .skipped && result.seen != "not possible here"
                ? "needs \(result.seen)" : result.seen
            return [.init(result.case), .init(result.outcome.rawValue, tone), .init(seen), .init(result.act)]
        }
        let sum = "\(stopped)/\(tried) stopped on node \(node), \(cases.count - tried) not tried\n"
        return table.render(width: nil, style: style) + "\n" + style.paint(sum, stopped == tried ? .good : .bad)
    }
}
