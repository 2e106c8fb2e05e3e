// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSClient

/// `paas exec`.
struct ExecCommand: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec",
        abstract: "Run a command inside a running instance of an app.",
        discussion: """
            The command has the app's user, files, network, variables, limits and sandbox. Everything after the app's name \
            is the command; without a shell, so write sh -c '…' where one is needed. Standard input is passed on. On a \
            terminal the command gets one, which Ctrl-C and changes of size reach; otherwise SIGINT, SIGTERM, SIGHUP and \
            SIGQUIT are passed on. When paas ends first, the command gets SIGHUP, and SIGKILL 5 seconds later.

            The exit code is the command's, 128 + n after signal n, 127 when it is not found, 126 when it cannot be \
            executed, and 125 when something else keeps it from running.

            EXAMPLES
              paas exec shop sh
              paas exec --instance web.2 shop cat /proc/1/status
              paas exec shop tar -C /data -c . > shop-data.tar
              paas exec shop sh -c 'echo $PAAS_RELEASE'
            """)

    @Argument(help: "Name or id of the app.", completion: .appNames)
    var app: String

    @Argument(parsing: .captureForPassthrough, help: ArgumentHelp("Program and arguments.", valueName: "command"))
    var command: [String] = []

    @Option(
        help: ArgumentHelp("The instance, such as web.2 or 2. Default: the first that runs.", valueName: "instance"))
    var instance: String?

    @OptionGroup var session: SessionOptions
    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    mutating func validate() throws {
        try takeOptionsBehindApp()
        _ = try SessionOptions.command(command)
    }

    mutating func takeOwnOptions(of other: Self) { instance = other.instance ?? instance }

    func run() async throws {
        let name = instance.map { Int($0) == nil ? $0 : "web.\($0)" }
        let request = session.request(try SessionOptions.command(command), instance: name)
        let app = app
        try await connection.withClient { client in
            try await CommandSession(client: client, app: app, place: .exec, request: request).run()
        }
    }
}

/// `paas run`.
struct RunCommand: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a command once, in a fresh sandbox of an app's release.",
        discussion: """
            The sandbox has the release's files at /app, its variables and secrets, its limits and network, and the app's \
            /data; it needs no running instance, gets no requests, and is removed when the command ends, with everything \
            that the command has started. Everything after the app's name is the command. Standard input, terminal, \
            signals and exit codes: see 'paas exec --help'.

            EXAMPLES
              paas run shop ./manage migrate
              paas run -e DRY_RUN=1 shop python3 clean.py
              paas run shop sh
            """)

    @Argument(help: "Name or id of the app.", completion: .appNames)
    var app: String

    @Argument(parsing: .captureForPassthrough, help: ArgumentHelp("Program and arguments.", valueName: "command"))
    var command: [String] = []

    @OptionGroup var session: SessionOptions
    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    mutating func validate() throws {
        try takeOptionsBehindApp()
        _ = try SessionOptions.command(command)
    }

    mutating func takeOwnOptions(of other: Self) {}

    func run() async throws {
        let request = session.request(try SessionOptions.command(command), instance: nil)
        let app = app
        try await connection.withClient { client in
            try await CommandSession(client: client, app: app, place: .run, request: request).run()
        }
    }
}
