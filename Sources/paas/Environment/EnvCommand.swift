// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSClient
internal import PaaSModel
internal import ProgramSupport

/// `paas env`.
struct EnvCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "env",
        abstract: "Show and change an app's environment variables.",
        discussion: """
            A change makes a new release, which is rolled out without a lost request. Values are shown; what nobody \
            should read back belongs into 'paas secret'.

            EXAMPLES
              paas env list shop
              paas env set shop MODE=production WORKERS=4
              paas env set shop --env-file production.env
              paas env unset shop WORKERS
            """,
        subcommands: [EnvListCommand.self, EnvSetCommand.self, EnvUnsetCommand.self])
}

/// `paas env list`.
struct EnvListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Print the variables of an app's newest release, in the form that --env-file reads.",
        discussion: """
            EXAMPLES
              paas env list shop
              paas env list shop > shop.env
              paas env list shop --json | jq -r .MODE
            """)

    @Argument(help: "Name or id of the app.", completion: .appNames)
    var app: String

    @Flag(help: "Print a JSON object.")
    var json = false

    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func run() async throws {
        let app = app
        let variables = try await connection.withClient { client in
            try await namingApp(app, client) { try await client.environment(app) }
        }
        let output = OutputStream.standard
        guard !json else { return output.write(try JSONOutput.document(variables)) }
        for line in EnvironmentText.lines(variables).split(separator: "\n") {
            output.write(DisplayText.forStream(String(line), isTerminal: output.isTerminal) + "\n")
        }
        if variables.isEmpty { OutputStream.error.write("\(app) has no variables; 'paas env set' sets some\n") }
    }
}

/// `paas env set`.
struct EnvSetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Set variables, and roll a release with them out.",
        discussion: """
            Variables that are not named stay as they are. With --env-file - they are read from standard input.

            EXAMPLES
              paas env set shop MODE=production WORKERS=4
              paas env set shop --env-file production.env MODE=staging
              generate-settings | paas env set shop --env-file -
            """)

    @Argument(help: "Name or id of the app.", completion: .appNames)
    var app: String

    @Argument(help: ArgumentHelp("Variables; they win over those of the file.", valueName: "key=value"))
    var variables: [String] = []

    @Option(
        help: ArgumentHelp("File of KEY=VALUE lines, - for standard input.", valueName: "file"), completion: .file())
    var envFile: String?

    @OptionGroup var wait: WaitOptions
    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    /// Not a transformation of the argument: its error would repeat the value, which may be a secret.
    func validate() throws {
        guard variables.allSatisfy({ EnvironmentVariable($0) != nil }) else {
            throw ArgumentParser.ValidationError("write KEY=VALUE; KEY has letters, digits and '_' only.")
        }
        if variables.isEmpty, envFile == nil {
            throw ArgumentParser.ValidationError("name at least one KEY=VALUE, or a file with --env-file.")
        }
    }

    func run() async throws {
        let (app, wait) = (app, wait)
        var spec = AppSpec()
        let given = try envFile.map(VariableSource.variables(file:)) ?? []
        spec.env = (given + variables.compactMap { EnvironmentVariable($0) }).reduce(into: [:]) { env, variable in
            env[variable.key] = .some(variable.value)
        }
        guard spec.env?.isEmpty == false else {
            throw CommandFailure(.usage, "the file has no variables", hint: "write one KEY=VALUE a line")
        }
        let patch = spec
        try await connection.withClient { client in
            try await interruptible {
                try await AppChange(client: client, name: app, verb: "change", done: "changed")
                    .run(wait) { try await $0.patch(app, patch) }
            }
        }
    }
}

/// `paas env unset`.
struct EnvUnsetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unset",
        abstract: "Remove variables, and roll a release without them out.",
        discussion: """
            A variable that is not set is named and is no failure.

            EXAMPLES
              paas env unset shop WORKERS MODE
            """)

    @Argument(help: "Name or id of the app.", completion: .appNames)
    var app: String

    @Argument(help: ArgumentHelp("Names of variables.", valueName: "key"))
    var keys: [String]

    @OptionGroup var wait: WaitOptions
    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func validate() throws {
        if let key = keys.first(where: { $0.contains("=") }) {
            throw ArgumentParser.ValidationError(
                "'\(key.prefix { $0 != "=" })' is removed by its name, without a value.")
        }
    }

    func run() async throws {
        let (app, keys, wait) = (app, keys, wait)
        try await connection.withClient { client in
            let present = try await namingApp(app, client) { try await client.environment(app) }
            for key in keys where present[key] == nil { OutputStream.error.write("\(key.prefix(80)) is not set\n") }
            var spec = AppSpec()
            spec.env = keys.reduce(into: [:]) { env, key in env[key] = .some(nil) }
            let patch = spec
            try await interruptible {
                try await AppChange(client: client, name: app, verb: "change", done: "changed")
                    .run(wait) { try await $0.patch(app, patch) }
            }
        }
    }
}
