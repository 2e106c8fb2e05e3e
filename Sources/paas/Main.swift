// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc

/// Entry point: parses, runs, and turns every error into a sentence on standard error and an exit code.
@main
enum Main {
    static func main() async {
        // A server that goes away must not end this program; output that nobody reads is handled by `OutputStream`.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try PaaSCommand.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            end(error)
        }
    }

    private static func end(_ error: any Error) -> Never {
        guard let failure = CommandFailure(error) else { PaaSCommand.exit(withError: error) }
        if let message = failure.message {
            let style = Style.of(OutputStream.error)
            OutputStream.error.write(style.paint("paas:", .bad) + " \(DisplayText.escaped(message))\n")
        }
        if let hint = failure.hint { OutputStream.error.write("      \(DisplayText.escaped(hint))\n") }
        exit(failure.code)
    }
}
