// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

extension ControlPlaneService {
    /// The stored token with an id; nil when there is none (any more).
    func tokenRecord(_ id: String) async throws -> TokenRecord? {
        guard let entry = try await store.get(StoreKey.token(id)) else { return nil }
        return try RecordCoding.decode(TokenRecord.self, entry)
    }

    /// All tokens in the order of their names.
    func tokens() async throws -> [Token] {
        let found = try await store.read([KeyRange(prefix: StoreKey.tokens)])
        return try found.ranges[0].map { try RecordCoding.decode(TokenRecord.self, $0).token }
            .sorted { $0.name < $1.name }
    }

    /// One token by name or id.
    ///
    /// - Throws: `Problem` 404.
    func token(_ name: String) async throws -> Token {
        guard let token = try await tokens().first(where: { $0.name == name || $0.id == name }) else {
            throw Problem.tokenNotFound(name)
        }
        return token
    }

    /// Makes a token. Its secret is in the answer and nowhere else.
    ///
    /// - Parameter once: a repetition is told that it is one; the secret cannot be shown again.
    /// - Throws: `ValidationError`; `Problem` 409 when the name is taken, there are too many tokens, or it is a
    ///   repetition.
    func createToken(_ request: TokenRequest, once: OnceOnly? = nil) async throws -> CreatedToken {
        guard AppName(rawValue: request.name) != nil else {
            throw ValidationError(
                field: "name", message: "'\(request.name.prefix(80))' is not 1 to 63 of a-z, 0-9 and '-'")
        }
        if let life = request.expiresInSeconds, !(1...TokenRequest.maxLifeSeconds).contains(life) {
            throw ValidationError(
                field: "expiresInSeconds", message: "is not between 1 and \(TokenRequest.maxLifeSeconds)")
        }
        let secret = TokenSecret.random()
        let place = try await IdempotencyPlace(once, store)
        let load: @Sendable () async throws -> [String] = { [self] in
            do { try await requireFirst(once) } catch is Repetition { throw Problem.secretWasShown(request.name) }
            let present = try await tokens()
            if present.contains(where: { $0.name == request.name }) { throw Problem.tokenNameTaken(request.name) }
            guard present.count < TokenRecord.limit else { throw Problem.tooManyTokens }
            return []
        }
        return try await change(load: load) { change in
            let token = Token(
                id: secret.id, name: request.name, scope: request.scope, createdAt: change.now,
                expiresAt: request.expiresInSeconds.map { change.now.advanced(bySeconds: Double($0)) })
            let record = TokenRecord(token: token, digest: TokenSecret.digest(secret.text))
            change.comparisons.append(.absent(key: StoreKey.token(token.id)))
            change.operations.append(try .put(StoreKey.token(token.id), record))
            try change.remember(place, id: token.id)
            let until = token.expiresAt.map { "until \($0)" } ?? "without an end"
            change.add(
                Event(
                    time: change.now, kind: .token,
                    message: "token '\(token.name)' (\(token.scope)) was created, \(until)"), appID: nil)
            return CreatedToken(token: token, secret: secret.text)
        }.result
    }

    /// Takes a token away, by name or id: it opens nothing from the answer on.
    ///
    /// - Throws: `Problem` 404.
    func revokeToken(_ name: String) async throws {
        let token = try await token(name)
        _ = try await change(load: { [store] in
            guard try await store.get(StoreKey.token(token.id)) != nil else { throw Problem.tokenNotFound(name) }
            return []
        }) { change in
            change.operations.append(.delete(key: StoreKey.token(token.id)))
            change.add(
                Event(
                    time: change.now, kind: .token, message: "token '\(token.name)' (\(token.scope)) was revoked"),
                appID: nil)
        }
    }

    /// Records an event about access. A store that fails here fails the request's own work too, which then says so.
    func audit(_ kind: Event.Kind, _ message: String) async {
        _ = try? await change(load: { [] }) { change in
            change.add(Event(time: change.now, kind: kind, message: message), appID: nil)
        }
    }
}
