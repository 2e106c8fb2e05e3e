// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSClient
internal import PaaSModel

/// `paas token create`.
struct TokenCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make a token and print its secret, which is shown this once.",
        discussion: """
            The secret alone goes to standard output, and what to know about it to standard error.

            SCOPES
              admin        everything
              deploy:APP   create, change and watch APP, and upload bundles; not destroy it
              read         look at everything but bundles and tokens; change nothing

            EXAMPLES
              paas token create ci --scope deploy:shop
              paas token create grafana --scope read --expires never
              PAAS_TOKEN=$(paas token create laptop --scope admin --expires 8h)
            """)

    /// Life of a token that nothing was said about.
    static let defaultLife = Duration.seconds(90 * 86_400)

    @Argument(help: "What to call it: 1 to 63 of a-z, 0-9 and '-'.")
    var name: String

    @Option(help: ArgumentHelp("What it opens: admin, deploy:APP or read.", valueName: "scope"), transform: Self.scope)
    var scope: TokenScope

    @Option(
        help: ArgumentHelp(
            "How long it opens it, such as 8h or 30d, or 'never' for without an end. (default: 90d)",
            valueName: "duration"),
        transform: Self.life)
    var expires: Life?

    @Flag(help: "Print JSON: {token, secret}.")
    var json = false

    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    /// How long a token opens what it opens.
    enum Life: Hashable {
        case forever
        case seconds(Int64)
    }

    func run() async throws {
        let life: Int64? =
            switch expires ?? .seconds(Int64(Self.defaultLife.inSeconds)) {
            case .forever: nil
            case .seconds(let seconds): seconds
            }
        let request = TokenRequest(name: name, scope: scope, expiresInSeconds: life)
        let created = try await connection.withClient { try await $0.createToken(request) }
        guard !json else { return OutputStream.standard.write(try JSONOutput.document(created)) }
        let until = created.token.expiresAt.map { "until \($0)" } ?? "without an end"
        OutputStream.error.write(
            "token '\(created.token.name)' opens '\(created.token.scope)' \(until); its secret is shown this once:\n")
        OutputStream.standard.write(created.secret + "\n")
    }

    private static func scope(_ text: String) throws -> TokenScope {
        do {
            return try TokenScope(validating: text)
        } catch {
            throw ArgumentParser.ValidationError("write admin, deploy:APP or read.")
        }
    }

    static func life(_ text: String) throws -> Life {
        guard text != "never" else { return .forever }
        let seconds = Int64(try OptionText.duration(text).inSeconds.rounded(.up))
        guard (1...TokenRequest.maxLifeSeconds).contains(seconds) else {
            throw ArgumentParser.ValidationError("write a duration from 1s to 3650d, or never.")
        }
        return .seconds(seconds)
    }
}
