// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSModel

/// What `paas deploy` can be told of the app itself.
struct DeployOptions: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "What to run. One word or quoted text goes to /bin/sh; several words are executed as they are (put them "
                + "after --).", valueName: "command"))
    var command: [String] = []

    @Option(help: "Name of the app. Default: 'name' of paas.toml, else the name of the directory.")
    var name: String?

    @Option(
        help: ArgumentHelp(
            "Directory with the app's files; they are at /app when it runs. Its paas.toml and Procfile are read.",
            valueName: "dir"))
    var source: String?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Variable for the app; may be repeated.", valueName: "key=value"))
    var env: [String] = []

    @Option(help: ArgumentHelp("File of KEY=VALUE lines, - for standard input; -e wins over it.", valueName: "file"))
    var envFile: String?

    @Option(help: ArgumentHelp("How many of it run.", valueName: "count"))
    var instances: Int?

    @Option(
        help: ArgumentHelp(
            "Path that answers 2xx or 3xx when the app is healthy. Without it, an open PORT counts.",
            valueName: "path"))
    var healthPath: String?

    @Option(help: "When to start it again after it ended.")
    var restart: RestartPolicy?

    @Option(help: "Signal that asks it to stop.")
    var stopSignal: StopSignal?

    @Option(
        help: ArgumentHelp("Time from that signal to the kill of everything, such as 30s.", valueName: "time"),
        transform: OptionText.duration)
    var stopGrace: Duration?

    @OptionGroup var lifecycle: LifecycleOptions

    @Option(help: "The network it sees. Default: the strictest that the node can enforce.")
    var network: NetworkMode?

    @Option(help: "How strictly it is confined.")
    var sandbox: SandboxProfile?

    @OptionGroup(title: "Limits") var limits: LimitOptions

    /// Not a transformation of the option: its error would repeat the value, which may be a secret.
    func validate() throws {
        guard variables.count == env.count else {
            throw ArgumentParser.ValidationError("-e takes KEY=VALUE; KEY has letters, digits and '_' only.")
        }
    }

    /// The variables of `-e`.
    var variables: [EnvironmentVariable] { env.compactMap { EnvironmentVariable($0) } }

    /// The command as given; nil without one.
    var givenCommand: Command? {
        switch command.count {
        case 0: nil
        case 1: .shell(command[0])
        default: .exec(command)
        }
    }
}
