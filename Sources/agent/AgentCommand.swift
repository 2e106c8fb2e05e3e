// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
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
            the apps as well, run 'agent stop-apps' afterwards.
            """,
        version: ProductVersion.current,
        subcommands: [RunCommand.self, StopAppsCommand.self],
        defaultSubcommand: RunCommand.self)
}

/// `agent run`, the default.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run the node's apps until SIGTERM (the default).")

    @OptionGroup var common: CommonOptions
    @OptionGroup var options: AgentOptions

    func run() async throws {
        let settings = try AgentSettings.resolve(common, options)
        settings.bootstrapLogging()
        try await reportingFailure { try await AgentProgram(settings: settings).run() }
    }
}

/// `agent stop-apps`.
struct StopAppsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop-apps",
        abstract: "Stop every app that an agent of this home has left running.",
        discussion: """
            Waits for the agent to be gone first. Each app gets its stop signal and its grace, then it is killed. An app \
            that should run is started again by the next agent that meets the control plane.
            """)

    @OptionGroup var common: CommonOptions
    @OptionGroup var options: AgentOptions

    func run() async throws {
        let settings = try AgentSettings.resolve(common, options)
        settings.bootstrapLogging()
        try await reportingFailure { try await StopAppsProgram(settings: settings).run() }
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
