// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSClient
internal import PaaSModel
internal import ProgramSupport

/// `paas doctor`.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Show what the node can enforce and how to get the rest; with --sandbox, attack it from an app.",
        discussion: """
            With --sandbox a suite of attacks is deployed as an app of its own, which is removed afterwards. The attacks \
            are harmless: they ask whether an act would be allowed. The exit code is 1 when one of them succeeds, or \
            when no node is connected.

            EXAMPLES
              paas doctor
              paas doctor --sandbox
              paas doctor --sandbox --profile strict --json | jq '.cases[] | select(.outcome == "succeeded")'
            """)

    @Flag(help: "Deploy the attack suite as an app and report what was stopped.")
    var sandbox = false

    @Option(help: ArgumentHelp("Profile to attack: standard or strict.", valueName: "profile"))
    var profile: String = "standard"

    @Flag(help: "Print JSON: an array of nodes; with --sandbox, the report.")
    var json = false

    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func validate() throws {
        guard let profile = SandboxProfile(rawValue: profile), profile != .off else {
            throw ArgumentParser.ValidationError("--profile is standard or strict")
        }
    }

    func run() async throws {
        let (sandbox, json) = (sandbox, json)
        let profile = SandboxProfile(rawValue: profile) ?? .standard
        let common = connection.common
        let home = try common.resolveHome(common.settings(keys: ConnectionOptions.keys)).root
        try await connection.withClient { client in
            let nodes = try await client.nodes()
            let output = OutputStream.standard
            guard sandbox else {
                let store = try await client.checkStore()
                let text =
                    try json
                    ? JSONOutput.document(nodes)
                    : Self.text(nodes, style: .of(output)) + "\n" + Self.text(store, style: .of(output))
                output.write(text)
                guard store.problems.isEmpty else {
                    throw CommandFailure(
                        .failure, "the control plane's store is damaged: \(store.problems[0])",
                        hint: "stop paasd and bring a backup back with 'paasd restore FILE'")
                }
                guard nodes.contains(where: \.connected) else { throw Self.noNode }
                return
            }
            guard let node = nodes.first(where: \.connected) else { throw Self.noNode }
            let report = try await SandboxCheck(client: client, home: home, profile: profile).run(on: node)
            output.write(try json ? JSONOutput.document(report) : report.text(style: .of(output)))
            if report.stopped < report.tried { throw CommandFailure(.failure) }
        }
    }

    private static let noNode = CommandFailure(
        .failure, "no node is connected", hint: "start its agent; 'deploy/quickstart' does in a checkout")

    /// The store's state in one line.
    static func text(_ store: StoreCheck, style: Style) -> String {
        let isGood = store.problems.isEmpty
        let size = ByteCount(bytes: store.sizeBytes)
        return style.paint("Store", .bold) + "\n  " + style.paint(isGood ? "yes" : "no ", isGood ? .good : .bad)
            + "  integrity_check: \(isGood ? "sound" : store.problems.joined(separator: "; ")), \(size)\n"
    }

    /// Limits, networks and layers of each node.
    static func text(_ nodes: [Node], style: Style) -> String {
        nodes.map { node in
            let can = node.capabilities
            let state = node.connected ? "" : style.paint(" (not connected)", .bad)
            var lines = [
                style.paint("Node \(node.name)", .bold) + state
                    + ": kernel \(can.kernel), cgroups \(can.cgroupMode) at \(can.cgroupRoot)"
            ]
            func add(_ good: Bool, _ text: String) {
                lines.append("  " + style.paint(good ? "yes" : "no ", good ? .good : .warning) + "  " + text)
            }
            for (controller, option) in [("memory", "--memory"), ("cpu", "--cpu"), ("pids", "--pids")] {
                let there = can.controllers.contains(controller)
                add(
                    there,
                    there
                        ? "\(option) is enforced"
                        : "\(option): there is no cgroup v2 controller '\(controller)', and a deploy with it is refused; "
                            + "the agent's log says why and what to do")
            }
            if let disk = can.limits?.first(where: { $0.name == "disk" }) {
                let detail = disk.detail ?? "a deploy with it is refused"
                add(disk.enforced, disk.enforced ? "--disk is enforced" : "--disk: \(detail)")
            }
            for network in NetworkMode.allCases {
                let there = can.networks.contains(network)
                let chosen = can.networks.first == network ? " (the default)" : ""
                add(there, "--network \(network.rawValue)" + (there ? chosen : ": a deploy with it is refused"))
            }
            for layer in can.layers {
                let more = [layer.detail, layer.remedy].compactMap { $0 }.joined(separator: "; ")
                add(layer.enforced, "sandbox layer \(layer.name)" + (more.isEmpty ? "" : ": \(more)"))
            }
            return lines.joined(separator: "\n") + "\n"
        }.joined(separator: "\n")
    }
}
