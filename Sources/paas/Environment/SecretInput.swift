// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Glibc
internal import PaaSModel
internal import ProgramSupport

/// Where the values of secrets come from: a terminal without echo, standard input, or a file. Never the command line.
enum SecretInput {
    /// A secret that was asked for.
    struct Wanted: Hashable {
        let name: String
        /// The file with its value; nil for a terminal or standard input.
        let file: String?

        /// Reads `NAME` or `NAME=@FILE`; nil for anything else.
        init?(_ text: String) {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let first = parts.first, let variable = EnvironmentVariable(key: String(first), value: "") else {
                return nil
            }
            name = variable.key
            guard parts.count == 2 else {
                file = nil
                return
            }
            guard parts[1].first == "@", parts[1].count > 1 else { return nil }
            file = String(parts[1].dropFirst())
        }
    }

    /// There is a terminal to ask on.
    static var canAsk: Bool { isatty(STDIN_FILENO) == 1 }

    /// Reads or asks. Blocks.
    ///
    /// - Throws: `CommandFailure`, never with a value.
    static func value(of wanted: Wanted) throws -> SecretValue {
        SecretValue(try text(of: "the value of \(wanted.name)", file: wanted.file))
    }

    /// Reads a file as it is, standard input (`-`, or nil without a terminal) without the line end at its end, or asks.
    ///
    /// - Throws: `CommandFailure`, never with the text.
    static func text(of what: String, file: String?) throws -> String {
        if let file, file != "-" {
            guard let data = FileManager.default.contents(atPath: file) else {
                throw CommandFailure(.usage, "\(file) cannot be read", hint: "check the path and its permissions")
            }
            return try checked(Array(data), from: file)
        }
        guard canAsk, file == nil else {
            guard let bytes = VariableSource.standardInput() else {
                throw CommandFailure(.usage, "standard input cannot be read", hint: "pipe \(what) in, or name a file")
            }
            return try checked(withoutLineEnd(bytes), from: "standard input")
        }
        OutputStream.error.write("Type \(what) (not shown): ")
        let line = SilentTerminal.read { readLine(strippingNewline: true) }
        OutputStream.error.write("\n")
        guard let line else { throw CommandFailure.interrupted }
        return try checked(Array(line.utf8), from: "the terminal")
    }

    /// Without the one line end that `echo` and editors add.
    static func withoutLineEnd(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.last == 0x0A else { return bytes }
        return Array(bytes.dropLast(bytes.suffix(2).first == 0x0D ? 2 : 1))
    }

    private static func checked(_ bytes: [UInt8], from source: String) throws -> String {
        guard !bytes.isEmpty else {
            throw CommandFailure(.usage, "\(source) is empty", hint: "'paas secret unset' removes a secret")
        }
        guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandFailure(
                .usage, "\(source) is not UTF-8 text without NUL bytes",
                hint: "encode it, for instance with base64, and decode it in the app")
        }
        return text
    }
}

/// The terminal without echo while something secret is typed. Ctrl-C ends the program with the echo back.
private enum SilentTerminal {
    // Safe: written before the handler that reads it is installed, from the one thread that asks.
    nonisolated(unsafe) private static var before = termios()

    static func read(_ body: () -> String?) -> String? {
        guard tcgetattr(STDIN_FILENO, &before) == 0 else { return body() }
        let restoring: @convention(c) (CInt) -> Void = { number in
            // tcsetattr is safe in a handler (signal-safety(7)).
            tcsetattr(STDIN_FILENO, TCSANOW, &SilentTerminal.before)
            signal(number, SIG_DFL)
            raise(number)
        }
        for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] { signal(number, restoring) }
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent)
        defer {
            tcsetattr(STDIN_FILENO, TCSANOW, &before)
            for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] { signal(number, SIG_DFL) }
        }
        return body()
    }
}
