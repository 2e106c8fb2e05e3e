// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import FoundationEssentials
internal import PaaSClient
internal import PaaSModel
internal import ProgramSupport

/// `paas context`.
struct ContextCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "context",
        abstract: "Name control planes, and choose the one that commands talk to.",
        discussion: """
            A context is a URL with its token, kept in ~/.config/mini-paas/contexts.json for you alone. What a command \
            talks to is decided by, in this order: --url, --context or --home; PAAS_URL, PAAS_CONTEXT or PAAS_HOME; the \
            file of --config; the context of 'paas context use'; the Unix socket of the home, else http://127.0.0.1:7070. \
            A context's token is sent to its own URL only.

            EXAMPLES
              paas context add office --url https://paas.office.example --token-file token
              paas context use office
              paas status --context office
              paas context use --none
            """,
        subcommands: [
            ContextListCommand.self, ContextAddCommand.self, ContextUseCommand.self, ContextRemoveCommand.self,
            ContextShowCommand.self,
        ])

    /// The file and its path.
    ///
    /// - Throws: `CommandFailure` without a home directory, `ConfigurationError`.
    static func load() throws -> (path: String, file: ContextFile) {
        guard let path = ContextFile.path(ProcessInfo.processInfo.environment) else {
            throw CommandFailure(.failure, "there is no place for contexts", hint: "set HOME or XDG_CONFIG_HOME")
        }
        return (path, try ContextFile.read(path))
    }

    /// - Throws: `CommandFailure` with the names that there are.
    static func require(_ name: String, in file: ContextFile) throws {
        guard file.contexts[name] == nil else { return }
        let names = file.contexts.keys.sorted()
        throw CommandFailure(
            .usage, "there is no context '\(name.prefix(80))'",
            hint: names.isEmpty ? "'paas context add' makes one" : "there are \(names.joined(separator: ", "))")
    }
}

/// `paas context list`.
struct ContextListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the contexts; '*' marks the current one. Tokens are not shown.",
        discussion: """
            EXAMPLES
              paas context list
              paas context list --json
            """)

    @Flag(help: "Print a JSON array.")
    var json = false

    private struct Row: Encodable {
        let name, url: String
        let current, hasToken: Bool
    }

    func run() throws {
        let (_, file) = try ContextCommand.load()
        let rows = file.contexts.sorted { $0.key < $1.key }.map { name, context in
            Row(name: name, url: context.url, current: name == file.current, hasToken: context.token != nil)
        }
        let output = OutputStream.standard
        guard !json else { return output.write(try JSONOutput.document(rows)) }
        guard !rows.isEmpty else {
            return OutputStream.error.write("there are no contexts; 'paas context add' makes one\n")
        }
        var table = Table([
            .init(title: " "), .init(title: "NAME", shrinksTo: 12), .init(title: "URL", shrinksTo: 20),
            .init(title: "TOKEN", dropRank: 1),
        ])
        table.rows = rows.map {
            [
                .init($0.current ? "*" : " "), .init($0.name, .bold),
                .init(DisplayText.forStream($0.url, isTerminal: output.isTerminal)), .init($0.hasToken ? "yes" : "no"),
            ]
        }
        output.write(table.render(width: output.columns, style: .of(output)))
    }
}

/// `paas context add`.
struct ContextAddCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Add a context, or replace the one of that name.",
        discussion: """
            The token is read from a file, from standard input (--token-file -), or asked for on a terminal with \
            --ask-token: on the command line others could read it.

            EXAMPLES
              paas context add office --url https://paas.office.example --ask-token
              ssh office cat token | paas context add office --url https://paas.office.example --token-file -
              paas context add lab --url unix:/srv/lab/run/paasd.sock --use
            """)

    @Argument(help: "Name of the context.")
    var name: String

    @Option(help: ArgumentHelp("http://HOST:PORT, https://HOST:PORT or unix:/PATH.", valueName: "url"))
    var url: String

    @Option(help: ArgumentHelp("File with the token, - for standard input.", valueName: "file"), completion: .file())
    var tokenFile: String?

    @Flag(help: "Ask for the token, without showing it.")
    var askToken = false

    @Flag(help: "Make it the current context.")
    var use = false

    func validate() throws {
        guard ContextFile.isName(name) else {
            throw ArgumentParser.ValidationError("a context's name has 1 to 63 letters, digits, '-', '_' and '.'.")
        }
        if tokenFile != nil, askToken {
            throw ArgumentParser.ValidationError("give --token-file or --ask-token, not both.")
        }
    }

    func run() throws {
        _ = try APIEndpoint(validating: url)
        var (path, file) = try ContextCommand.load()
        file.contexts[name] = ContextFile.Context(url: url, token: try token())
        if use { file.current = name }
        try file.write(path)
        OutputStream.standard.write(
            file.current == name
                ? "\(name) is added and in use\n"
                : "\(name) is added; 'paas context use \(name)' makes it the current one\n")
    }

    private func token() throws -> String? {
        guard askToken || tokenFile != nil else { return nil }
        let text = try SecretInput.text(of: "the token", file: tokenFile).trimmed()
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw CommandFailure(.usage, "that is not a token", hint: "a token is one word, as 'paas token' prints it")
        }
        return text
    }
}

/// `paas context use`.
struct ContextUseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "use",
        abstract: "Make a context the current one; --none goes back to this machine's own control plane.",
        discussion: """
            EXAMPLES
              paas context use office
              paas context use --none
            """)

    @Argument(help: "Name of the context.", completion: .contextNames)
    var name: String?

    @Flag(help: "Use no context.")
    var none = false

    func validate() throws {
        guard (name == nil) == none else {
            throw ArgumentParser.ValidationError("give the name of a context, or --none.")
        }
    }

    func run() throws {
        var (path, file) = try ContextCommand.load()
        if let name { try ContextCommand.require(name, in: file) }
        file.current = name
        try file.write(path)
        OutputStream.standard.write(name.map { "commands now talk to \($0)\n" } ?? "commands use no context now\n")
        let environment = ProcessInfo.processInfo.environment
        for variable in ["PAAS_URL", "PAAS_CONTEXT", "PAAS_HOME"] where environment[variable]?.isEmpty == false {
            OutputStream.error.write("\(variable) is set here and wins over it; unset it to use the context\n")
            break
        }
    }
}

/// `paas context remove`.
struct ContextRemoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Remove a context and its token.",
        discussion: """
            EXAMPLES
              paas context remove office
            """)

    @Argument(help: "Name of the context.", completion: .contextNames)
    var name: String

    func run() throws {
        var (path, file) = try ContextCommand.load()
        try ContextCommand.require(name, in: file)
        file.contexts[name] = nil
        let wasCurrent = file.current == name
        if wasCurrent { file.current = nil }
        try file.write(path)
        OutputStream.standard.write(
            wasCurrent ? "\(name) is removed; commands use no context now\n" : "\(name) is removed\n")
    }
}

/// `paas context show`.
struct ContextShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show which control plane commands talk to, and why.",
        discussion: """
            EXAMPLES
              paas context show
              paas context show --context office --json
            """)

    @Flag(help: "Print a JSON object.")
    var json = false

    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    private struct Answer: Encodable {
        @Null var context: String?
        let url: String
        let decidedBy: String
        let hasToken: Bool
    }

    func run() throws {
        let (choice, address, _) = try connection.resolve()
        let url = address.endpoint.description
        let output = OutputStream.standard
        guard !json else {
            return output.write(
                try JSONOutput.document(
                    Answer(
                        context: Null(wrappedValue: choice.name), url: url, decidedBy: choice.origin.text,
                        hasToken: address.token != nil)))
        }
        output.write("\(choice.name.map { "\($0): " } ?? "")\(url), by \(choice.origin.text)\n")
    }
}
