// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import FoundationEssentials
internal import PaaSClient
internal import PaaSModel
internal import ProgramSupport

/// What `paas exec` and `paas run` have in common.
struct SessionOptions: ParsableArguments {
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Variable for the command, beside the app's own; may be repeated.", valueName: "key=value"))
    var env: [String] = []

    @Flag(
        inversion: .prefixedNo,
        help: "Give the command a terminal. Default: when standard input and output are terminals.")
    var tty: Bool?

    /// Not a transformation of the option: its error would repeat the value, which may be a secret.
    func validate() throws {
        guard env.allSatisfy({ EnvironmentVariable($0) != nil }) else {
            throw ArgumentParser.ValidationError("-e takes KEY=VALUE; KEY has letters, digits and '_' only.")
        }
    }

    /// What to ask for.
    func request(_ command: [String], instance: String?) -> SessionRequest {
        var variables = env.compactMap { EnvironmentVariable($0) }.reduce(into: [:]) { $0[$1.key] = $1.value }
        let isTerminal = OutputStream.standard.isTerminal && SecretInput.canAsk
        guard tty ?? isTerminal else {
            return SessionRequest(command: command, instance: instance, env: variables)
        }
        let name = ProcessInfo.processInfo.environment["TERM"] ?? ""
        variables["TERM"] = variables["TERM"] ?? (name.isEmpty ? "dumb" : name)
        let size = OutputStream.standard.size ?? (80, 24)
        return SessionRequest(
            command: command, instance: instance, terminal: TerminalSize(columns: size.columns, rows: size.lines),
            env: variables)
    }

    /// The command without the `--` that may stand before it.
    ///
    /// - Throws: a usage error when there is none.
    static func command(_ words: [String]) throws -> [String] {
        let command = words.first == "--" ? Array(words.dropFirst()) : words
        guard let program = command.first, !program.isEmpty else {
            throw ArgumentParser.ValidationError("name the program to run, such as 'sh'.")
        }
        return command
    }
}

/// `paas exec` and `paas run`: everything behind the app's name is captured, options of the command's own included.
protocol SessionCommand: AsyncParsableCommand {
    var app: String { get }
    var command: [String] { get set }
    var session: SessionOptions { get set }
    var connection: ConnectionOptions { get set }

    /// Takes over options that only one of the two commands has.
    mutating func takeOwnOptions(of other: Self)
}

extension SessionCommand {
    /// Lets options of `paas` stand behind the app's name, too, before the command: `paas exec shop --instance 2 ls`.
    ///
    /// - Throws: a usage error for an option that there is not, or the request for help.
    mutating func takeOptionsBehindApp() throws {
        let options = try Self.leadingOptions(command)
        guard !options.isEmpty else { return }
        let behind: Self
        do {
            // The words behind them only stand for what must be there.
            behind = try Self.parse(options + ["app", "program"])
        } catch {
            guard Self.exitCode(for: error) != .success else { throw CleanExit.helpRequest(self) }
            throw ArgumentParser.ValidationError(Self.message(for: error))
        }
        command.removeFirst(options.count)
        session.env += behind.session.env
        session.tty = behind.session.tty ?? session.tty
        connection.take(behind.connection)
        takeOwnOptions(of: behind)
    }

    /// The options that the words begin with, with their values.
    private static func leadingOptions(_ words: [String]) throws -> [String] {
        let withValue = [
            "--instance", "-e", "--env", "--url", "--token", "--context", "--home", "--config", "--log-level",
            "--log-format",
        ]
        var count = 0
        while count < words.count, words[count].hasPrefix("-"), words[count] != "--" {
            let name = words[count].prefix { $0 != "=" }
            if withValue.contains(String(name)) {
                count += name.count == words[count].count ? 2 : 1
            } else if ["--tty", "--no-tty", "--help", "-h"].contains(words[count]) {
                count += 1
            } else {
                throw ArgumentParser.ValidationError(
                    "there is no option '\(name)' here, and no program begins with '-'.")
            }
        }
        return Array(words.prefix(count))
    }
}
