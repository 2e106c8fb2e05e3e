// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSClient
internal import PaaSModel

/// `paas inspect`.
struct InspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what is in force for an app: limits, sandbox layers, the port's owner, the last exit.",
        discussion: """
            Read from the kernel by the node's agent, not from what the release asks for.

            EXAMPLES
              paas inspect shop
              paas inspect shop --json | jq '.instances[].layers[] | select(.enforced | not)'
            """)

    @Argument(help: "Name or id of the app.", completion: .appNames)
    var app: String

    @Flag(help: "Print a JSON object: the app, and its instances.")
    var json = false

    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func run() async throws {
        let app = app
        let inspection = try await connection.withClient { client in
            try await namingApp(app, client) { try await client.inspect(app) }
        }
        let output = OutputStream.standard
        output.write(
            json
                ? try JSONOutput.document(inspection)
                : Self.text(inspection, style: .of(output), isTerminal: output.isTerminal))
    }

    static func text(_ inspection: AppInspection, style: Style, isTerminal: Bool) -> String {
        let app = inspection.app
        var text = "\(style.paint(app.name.rawValue, .bold))  \(app.status.rawValue), release \(app.release)\n"
        if inspection.instances.isEmpty { text += "  no instance on any node\n" }
        for instance in inspection.instances {
            text += "\n" + style.paint(instance.name, .bold) + "  \(instance.state.rawValue), \(instance.release)\n"
            for (label, value) in facts(instance, of: app) {
                let padding = String(repeating: " ", count: max(1, 15 - label.count))
                text += "  " + style.paint(label + padding, .dim)
                text += DisplayText.forStream(value, isTerminal: isTerminal) + "\n"
            }
            for layer in instance.layers {
                let more = [layer.detail, layer.remedy].compactMap { $0 }.joined(separator: "; ")
                text += "  " + style.paint(layer.enforced ? "yes" : "no ", layer.enforced ? .good : .warning)
                text += "  sandbox layer \(layer.name)" + (more.isEmpty ? "" : ": \(more)") + "\n"
            }
        }
        return text
    }

    private static func text(_ disk: DiskInspection) -> String {
        let size = "an image of \(ByteCount(bytes: disk.sizeBytes))"
        let share = "which takes \(ByteCount(bytes: disk.allocatedBytes)) of the node's disk"
        guard let used = disk.usedBytes, let free = disk.freeBytes else { return "\(size), \(share)" }
        return "\(ByteCount(bytes: used)) used, \(ByteCount(bytes: free)) free in \(size), \(share)"
    }

    private static func logFacts(_ log: LogInspection) -> [(String, String)] {
        var text = "\(ByteCount(bytes: log.sizeBytes)) of \(ByteCount(bytes: log.maxSizeBytes))"
        if let keep = log.keepSeconds { text += ", kept for \(Duration.seconds(keep).shortText)" }
        let rate = log.rateBytesPerSecond.map { " above \(ByteCount(bytes: $0))/s" } ?? ""
        switch log.flood {
        case .block: text += rate.isEmpty ? ", a flood waits" : ", waits\(rate)"
        case .drop: text += ", lines\(rate) are dropped"
        }
        if log.compression == .zstd { text += ", compressed" }
        var facts = [("log", text)]
        if log.droppedLines > 0 {
            facts.append(("", "\(log.droppedLines) lines (\(ByteCount(bytes: log.droppedBytes))) were dropped"))
        }
        if let failure = log.failure { facts.append(("", failure)) }
        return facts
    }

    private static func facts(_ instance: InstanceInspection, of app: App) -> [(String, String)] {
        var facts: [(String, String)] = []
        if let pid = instance.pid {
            facts.append(("process", "pid \(pid)" + (instance.userID.map { ", uid \($0)" } ?? "")))
        }
        if let port = instance.port {
            let owner = instance.portOwner.map {
                "\($0.name) (pid \($0.pid))" + ($0.ownInstance ? "" : ", which is not part of this app")
            }
            facts.append(("port", "\(port), listened on by \(owner ?? "nobody")"))
        }
        if let cgroup = instance.cgroup { facts.append(("cgroup", cgroup)) }
        for (name, value) in instance.cgroupLimits.sorted(by: { $0.key < $1.key }) { facts.append((name, value)) }
        if instance.cgroup != nil, instance.cgroupLimits.isEmpty {
            facts.append(("limits", "none: this machine's cgroup v2 tree has no controllers"))
        }
        for name in ["Max open files", "Max core file size", "Max locked memory"] {
            if let value = instance.resourceLimits[name] { facts.append((name.lowercased(), value)) }
        }
        if let disk = instance.disk {
            facts.append(("/data", text(disk)))
            if app.limits.diskBytes == nil { facts.append(("", "its release names no --disk, and keeps this one")) }
        }
        facts += instance.log.map(logFacts) ?? []
        facts.append(("sandbox", instance.sandbox.rawValue))
        if let calls = instance.blockedCalls {
            let text = calls.prefix(10).map { "\($0.call) (\($0.count))" }.joined(separator: ", ")
            facts.append(("blocked calls", text + (calls.count > 10 ? " and \(calls.count - 10) more" : "")))
        }
        if let exit = instance.lastExit { facts.append(("last exit", "\(exit.at) \(AppDetails.sentence(exit))")) }
        return facts
    }
}
