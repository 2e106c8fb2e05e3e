// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSClient
internal import PaaSModel

/// `paas token list`.
struct TokenListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the tokens, without their secrets, which nobody can show again.",
        discussion: """
            EXAMPLES
              paas token list
              paas token list --json
            """)

    @Flag(help: "Print a JSON array.")
    var json = false

    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func run() async throws {
        let tokens = try await connection.withClient { try await $0.tokens() }
        let output = OutputStream.standard
        output.write(
            json
                ? try JSONOutput.document(tokens)
                : Self.table(tokens, now: .now).render(width: output.columns, style: .of(output)))
    }

    static func table(_ tokens: [Token], now: Timestamp) -> Table {
        var table = Table([
            .init(title: "NAME", shrinksTo: 8), .init(title: "SCOPE", shrinksTo: 8), .init(title: "EXPIRES"),
            .init(title: "CREATED", dropRank: 2), .init(title: "ID", dropRank: 1),
        ])
        table.rows = tokens.map { token in
            let isOver = token.expiresAt.map { $0 <= now } ?? false
            let expires = token.expiresAt.map { isOver ? "expired \($0)" : "\($0)" } ?? "never"
            return [
                .init(token.name, .bold), .init("\(token.scope)"), .init(expires, isOver ? .bad : .plain),
                .init("\(token.createdAt)"), .init(token.id),
            ]
        }
        return table
    }
}
