// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

/// `paas token`.
struct TokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Make, list and revoke the tokens that open the API over TCP.",
        discussion: """
            Administrators on this machine need none: they use the Unix socket. Whoever comes over TCP sends one, with \
            --token or PAAS_TOKEN.

            EXAMPLES
              paas token create ci --scope deploy:shop
              paas token list
              paas token revoke ci
            """,
        subcommands: [TokenCreateCommand.self, TokenListCommand.self, TokenRevokeCommand.self])
}
