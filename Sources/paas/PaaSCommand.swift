// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSModel

/// The root command, `paas`.
struct PaaSCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "paas",
        abstract: "Run, watch, restart and expose web apps on this machine.",
        discussion: """
            EXAMPLES
              paas deploy 'python3 -m http.server $PORT' --name files
              paas deploy --source ./shop
              paas status
              paas logs shop -f

            EXIT CODES
              0 done   1 it failed   3 status: the app does not run   4 no such app
              64 wrong usage   69 control plane unreachable   77 not allowed   130 interrupted
              run and exec: the command's own; 125 it could not be run, 126 not executable, 127 not found
            """,
        version: ProductVersion.current,
        subcommands: [
            DeployCommand.self, StatusCommand.self, LogsCommand.self, StartCommand.self, StopCommand.self,
            RestartCommand.self, DestroyCommand.self, ScaleCommand.self, ReleasesCommand.self, RollbackCommand.self,
            RunCommand.self, ExecCommand.self, EnvCommand.self, SecretCommand.self, EventsCommand.self, TopCommand.self,
            InspectCommand.self,
            OpenCommand.self, DoctorCommand.self, ContextCommand.self, TokenCommand.self, CompletionCommand.self,
        ])
}
