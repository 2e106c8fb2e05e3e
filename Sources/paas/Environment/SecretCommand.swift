// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSClient
internal import PaaSModel
internal import ProgramSupport

/// `paas secret`.
struct SecretCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secret",
        abstract: "Set variables of an app that nobody can read back.",
        discussion: """
            The app finds each as an environment variable and as the file /run/secrets/NAME, which only its own user can \
            read. No command, log, event or answer of the API shows a value again. A change makes a new release, which \
            is rolled out without a lost request.

            EXAMPLES
              paas secret set shop DATABASE_PASSWORD
              pass show shop/database | paas secret set shop DATABASE_PASSWORD
              paas secret set shop TLS_KEY=@server.key
              paas secret list shop
              paas secret unset shop TLS_KEY
            """,
        subcommands: [SecretListCommand.self, SecretSetCommand.self, SecretUnsetCommand.self])
}

/// `paas secret list`.
struct SecretListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the names of an app's secrets.",
        discussion: """
            EXAMPLES
              paas secret list shop
              paas secret list shop --json
            """)

    @Argument(help: "Name or id of the app.", completion: .appNames)
    var app: String

    @Flag(help: "Print a JSON array.")
    var json = false

    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func run() async throws {
        let app = app
        let secrets = try await connection.withClient { client in
            try await namingApp(app, client) { try await client.secrets(app) }
        }
        let output = OutputStream.standard
        guard !json else { return output.write(try JSONOutput.document(secrets)) }
        guard !secrets.isEmpty else {
            return OutputStream.error.write("\(app) has no secrets; 'paas secret set \(app) NAME' sets one\n")
        }
        var table = Table([.init(title: "NAME", shrinksTo: 12), .init(title: "FILE")])
        table.rows = secrets.map { [.init($0.name, .bold), .init($0.file)] }
        output.write(table.render(width: output.columns, style: .of(output)))
    }
}

/// `paas secret set`.
struct SecretSetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Set secrets, and roll a release with them out.",
        discussion: """
            The value of NAME is asked for on a terminal, and otherwise read from standard input, without the line end \
            at its end. NAME=@FILE takes a file as it is. A value is never taken from the command line, where the \
            list of processes and the shell's history would show it.

            EXAMPLES
              paas secret set shop DATABASE_PASSWORD
              pass show shop/database | paas secret set shop DATABASE_PASSWORD
              paas secret set shop TLS_KEY=@server.key TLS_CERTIFICATE=@server.pem
              paas secret set shop --env-file secrets.env
            """)

    @Argument(help: "Name or id of the app.", completion: .appNames)
    var app: String

    @Argument(help: ArgumentHelp("NAME, or NAME=@FILE.", valueName: "name"))
    var names: [String] = []

    @Option(
        help: ArgumentHelp("File of NAME=VALUE lines, - for standard input.", valueName: "file"), completion: .file())
    var envFile: String?

    @OptionGroup var wait: WaitOptions
    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func validate() throws {
        for text in names {
            guard SecretInput.Wanted(text) == nil else { continue }
            // Never with what stands behind the '='.
            throw ArgumentParser.ValidationError(
                text.contains("=")
                    ? "a value on the command line can be read by others: write NAME and pipe the value in, or NAME=@FILE."
                    : "a name has letters, digits and '_' only, such as DATABASE_PASSWORD.")
        }
        if names.isEmpty, envFile == nil {
            throw ArgumentParser.ValidationError("name at least one secret, or a file with --env-file.")
        }
        let piped = names.filter { !$0.contains("=") }.count + (envFile == "-" ? 1 : 0)
        if piped > 1, !SecretInput.canAsk {
            throw ArgumentParser.ValidationError(
                "only one value can be read from standard input; use NAME=@FILE, or --env-file - with NAME=VALUE lines."
            )
        }
    }

    func run() async throws {
        let (app, wait) = (app, wait)
        let given = try envFile.map(VariableSource.variables(file:)) ?? []
        var secrets: [String: SecretValue?] = [:]
        for variable in given { secrets[variable.key] = SecretValue(variable.value) }
        // Asked before anything is sent, but not for an app that is not there.
        let wanted = names.compactMap { SecretInput.Wanted($0) }
        try await connection.withClient { [secrets] client in
            _ = try await namingApp(app, client) { try await client.app(app) }
            var secrets = secrets
            for secret in wanted { secrets[secret.name] = try SecretInput.value(of: secret) }
            guard !secrets.isEmpty else {
                throw CommandFailure(.usage, "the file has no secrets", hint: "write one NAME=VALUE a line")
            }
            var spec = AppSpec()
            spec.secrets = secrets
            let patch = spec
            try await interruptible {
                try await AppChange(client: client, name: app, verb: "change", done: "changed")
                    .run(wait) { try await $0.patch(app, patch) }
            }
        }
    }
}

/// `paas secret unset`.
struct SecretUnsetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unset",
        abstract: "Remove secrets, and roll a release without them out.",
        discussion: """
            Earlier releases keep their values until they are dropped, so that a rollback brings back what ran.

            EXAMPLES
              paas secret unset shop TLS_KEY
            """)

    @Argument(help: "Name or id of the app.", completion: .appNames)
    var app: String

    @Argument(help: ArgumentHelp("Names of secrets.", valueName: "name"))
    var names: [String]

    @OptionGroup var wait: WaitOptions
    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func validate() throws {
        if names.contains(where: { $0.contains("=") }) {
            throw ArgumentParser.ValidationError("a secret is removed by its name, without a value.")
        }
    }

    func run() async throws {
        let (app, names, wait) = (app, names, wait)
        try await connection.withClient { client in
            let present = Set(try await namingApp(app, client) { try await client.secrets(app) }.map(\.name))
            for name in names where !present.contains(name) {
                OutputStream.error.write("\(name.prefix(80)) is not set\n")
            }
            var spec = AppSpec()
            spec.secrets = names.reduce(into: [:]) { secrets, name in secrets[name] = .some(nil) }
            let patch = spec
            try await interruptible {
                try await AppChange(client: client, name: app, verb: "change", done: "changed")
                    .run(wait) { try await $0.patch(app, patch) }
            }
        }
    }
}
