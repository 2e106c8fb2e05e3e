// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// What `paas status APP` shows.
struct AppDetails {
    let app: App
    var instances: [Instance] = []
    /// Oldest first.
    var events: [Event] = []
    /// What its instances use; nil when not known.
    var usage: AppUsage?

    /// All of it, with its last newline. Text from apps is escaped for a terminal.
    func render(now: Timestamp, width: Int?, style: Style, isTerminal: Bool) -> String {
        func shown(_ text: String) -> String { DisplayText.forStream(text, isTerminal: isTerminal) }
        let status = AppTable.status(app)
        var text = "\(style.paint(app.name.rawValue, .bold))  \(style.paint(status.text, status.tone))"
        text += app.reason.map { ": \(shown($0))" } ?? ""
        text += "\n"
        for (label, value) in facts(now) {
            text +=
                "  " + style.paint(label + String(repeating: " ", count: 11 - label.count), .dim) + shown(value) + "\n"
        }
        for line in app.lastExit?.lastLines ?? [] where app.status != .running || app.crashLooping {
            text += "             \(shown(line))\n"
        }
        if instances.count > 1 { text += "\n" + instanceTable(now).render(width: width, style: style) }
        if !events.isEmpty {
            text += "\n"
            for event in events { text += EventFormatter.text(event, isTerminal: isTerminal, style: style) + "\n" }
        }
        return text
    }

    private func facts(_ now: Timestamp) -> [(String, String)] {
        var facts: [(String, String)] = [("command", app.command.text), ("release", app.release)]
        if let rollout = app.rollout, rollout.phase != .succeeded {
            let state = rollout.phase == .failed ? "failed" : "under way"
            let message = rollout.message.map { ": \($0)" } ?? ""
            facts.append((rollout.kind.rawValue, "\(rollout.release) \(state)\(message)"))
        }
        facts.append(("instances", "\(app.instancesReady) of \(app.instances) ready"))
        for (index, url) in app.urls.enumerated() { facts.append((index == 0 ? "url" : "", url)) }
        if let port = app.port {
            facts.append(("port", "\(port)" + (app.pid.map { " (pid \($0))" } ?? "")))
        }
        facts.append(("uptime", AppTable.uptime(app, now)))
        facts.append(("restarts", "\(app.restarts) (restart \(app.restart.rawValue))"))
        if app.status == .running {
            facts.append(("use", "cpu \(usage?.cpuText ?? "-"), memory \(usage?.memoryText ?? "-")"))
        }
        facts.append(("limits", app.limits.text ?? "none"))
        facts.append(("health", app.healthPath.map { "GET \($0)" } ?? "PORT is listened on"))
        facts.append(("sandbox", "\(app.sandbox.rawValue), network \(app.network?.rawValue ?? "not known yet")"))
        facts.append(("created", "\(app.createdAt)"))
        if let exit = app.lastExit {
            facts.append(("last exit", "\(exit.at) \(Self.sentence(exit))"))
            facts += ExitDetails(report: exit).lines.map { ("", $0) }
        }
        return facts
    }

    /// The report's own sentence, or one made of its fields.
    static func sentence(_ exit: ExitReport) -> String {
        if !exit.reason.isEmpty { return exit.reason }
        let after = " after \(Duration.milliseconds(exit.uptimeMs).shortText)"
        if let failure = exit.startFailure { return "not started: \(failure)" }
        if let signal = exit.signal { return "ended by \(signal)\(exit.oomKilled ? ", out of memory" : "")\(after)" }
        return exit.code.map { "exited with code \($0)\(after)" } ?? "ended\(after); how is not known"
    }

    private func instanceTable(_ now: Timestamp) -> Table {
        var table = Table([
            .init(title: "INSTANCE"), .init(title: "STATE"), .init(title: "PORT", alignsRight: true),
            .init(title: "PID", alignsRight: true), .init(title: "RESTARTS", alignsRight: true),
            .init(title: "UPTIME", alignsRight: true), .init(title: "RELEASE"),
            .init(title: "NODE", shrinksTo: 8, dropRank: 1),
        ])
        table.rows = instances.sorted { ($0.name, $0.release) < ($1.name, $1.release) }.map { instance in
            let status = instance.status
            let uptime = status.state == .running ? status.startedAt : nil
            return [
                .init(instance.name), .init(status.state.rawValue), .init(status.port.map(String.init) ?? "-"),
                .init(status.pid.map(String.init) ?? "-"), .init(String(status.restarts)),
                .init(uptime.map { Duration.seconds(max(0, $0.seconds(until: now))).shortText } ?? "-"),
                .init(instance.release), .init(instance.node),
            ]
        }
        return table
    }
}
