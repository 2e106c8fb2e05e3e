// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSClient
internal import PaaSModel

/// `paas token revoke`.
struct TokenRevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Take a token away: it opens nothing from then on.",
        discussion: """
            EXAMPLES
              paas token revoke ci
            """)

    @Argument(help: "Name or id of the token.")
    var token: String

    @Flag(help: "Print JSON: the token that was revoked.")
    var json = false

    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func run() async throws {
        let (name, json) = (token, json)
        try await connection.withClient { client in
            let known = try await client.tokens().first { $0.name == name || $0.id == name }
            try await client.revokeToken(known?.id ?? name)
            guard let known else { return }
            OutputStream.standard.write(
                json ? try JSONOutput.document(known) : "token '\(known.name)' is revoked\n")
        }
    }
}
