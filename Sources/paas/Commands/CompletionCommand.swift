// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

/// `paas completion`.
struct CompletionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completion",
        abstract: "Print a script that lets a shell complete commands, options and the names of apps.",
        discussion: """
            EXAMPLES
              paas completion bash > ~/.local/share/bash-completion/completions/paas
              paas completion zsh > "${fpath[1]}/_paas"
              paas completion fish > ~/.config/fish/completions/paas.fish
            """)

    /// The shells that there is a script for.
    enum Shell: String, CaseIterable, ExpressibleByArgument {
        case bash, zsh, fish

        var parsed: CompletionShell {
            switch self {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        }
    }

    @Argument(help: "bash, zsh or fish.")
    var shell: Shell

    func run() throws {
        OutputStream.standard.write(PaaSCommand.completionScript(for: shell.parsed) + "\n")
    }
}
