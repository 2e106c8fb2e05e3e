// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import LinuxSystem
import PaaSModel
import ProgramSupport

/// `agent`: runs the apps of one node.
struct AgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent",
        abstract: "Run, watch, restart and expose the apps of this node.",
        discussion: """
            The agent follows the assignments of the control plane (paasd) and goes on with what it knows while paasd is \
            away. SIGTERM and SIGINT end the agent and leave the apps running: the next agent takes them over. To stop \
            the apps as well, run 'agent stop-apps' afterwards. To upgrade, start the new agent with --replace: it takes the \
            listening socket and the apps over, and the old one ends when its open requests are done.
            """,
        version: ProductVersion.current,
        subcommands: [RunCommand.self, StopAppsCommand.self, TrySandboxCommand.self],
        defaultSubcommand: RunCommand.self)
}

/// `agent run`, the default.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run the node's apps until SIGTERM (the default).")

    @OptionGroup var common: CommonOptions
    @OptionGroup var options: AgentOptions

    @Flag(
        help: ArgumentHelp(
            "Take the place of the agent that runs with this home, without a failed request; start as usual when none does."
        ))
    var replace = false

    func run() async throws {
        let settings = try AgentSettings.resolve(common, options)
        settings.bootstrapLogging()
        try await reportingFailure {
            // First: what executes this program anew leaves the service manager's sockets to it.
            try settings.enterUserNamespace()
            let inherited = HandedSockets(ListeningSocket.inherited())
            try await AgentProgram(settings: settings, replaces: replace, inherited: inherited).run()
        }
    }
}

/// `agent stop-apps`.
struct StopAppsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop-apps",
        abstract: "Stop every app that an agent of this home has left running.",
        discussion: """
            Waits for the agent to be gone first. Each app gets its stop signal and its grace, then it is killed. An app \
            that should run is started again by the next agent.
            """)

    @OptionGroup var common: CommonOptions
    @OptionGroup var options: AgentOptions

    func run() async throws {
        let settings = try AgentSettings.resolve(common, options)
        settings.bootstrapLogging()
        try await reportingFailure {
            try settings.enterUserNamespace()
            try await StopAppsProgram(settings: settings).run()
        }
    }
}

extension AgentSettings {
    /// Goes on as root of a user namespace where an ordinary user has started the agent.
    fileprivate func enterUserNamespace() throws {
        try UserNamespace.enter(cgroupRoot: cgroupRoot ?? NodeRuntime.defaultCgroupRoot(of: home))
    }
}

/// Turns an error into one line on standard error and exit code 1.
private func reportingFailure(_ body: () async throws -> Void) async throws {
    do {
        try await body()
    } catch {
        StandardError.write("agent: \(error)")
        throw ExitStatus.failure.exitCode
    }
}
