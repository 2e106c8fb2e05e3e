// SPDX-License-Identifier: Apache-2.0

internal import NIOHTTP1
public import PaaSModel

/// Tokens; for administrators.
extension PaaSClient {
    /// All tokens, without their secrets.
    public func tokens() async throws -> [Token] {
        try await exchange(Call(target: "/tokens"))
    }

    /// Makes a token; the answer is the only place where its secret ever stands.
    public func createToken(_ request: TokenRequest) async throws -> CreatedToken {
        try await exchange(Call(method: .POST, target: "/tokens"), body: request)
    }

    /// Takes a token away, by name or id. One that is not there is `ClientError.problem` with status 404.
    public func revokeToken(_ name: String) async throws {
        try await perform(Call(method: .DELETE, target: "/tokens/\(PercentEncoding.component(name))"))
    }
}
