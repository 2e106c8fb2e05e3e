// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import NIOCore
internal import PaaSModel

/// Knows who has a token: the administrator's of the home, or one of the store.
///
/// Reads the store for every request, so that a token that was revoked opens nothing from then on.
public struct TokenAuthenticator: Sendable {
    /// Too many wrong tokens from one address; answered with 429 and Retry-After.
    struct TooManyFailures: Error, Hashable {
        let retryAfterSeconds: Int64
    }

    private let admin: AdminToken
    private let service: ControlPlaneService
    private let limiter: FailureLimiter

    /// Creates an authenticator; all listeners of a process share one, because it counts failures.
    ///
    /// - Parameters:
    ///   - admin: the token that is always there.
    ///   - service: where the other tokens are recorded.
    ///   - freeFailures: wrong tokens of one address that are free at once.
    public init(admin: AdminToken, service: ControlPlaneService, freeFailures: Int) {
        self.init(admin: admin, service: service, limiter: FailureLimiter(capacity: freeFailures))
    }

    init(admin: AdminToken, service: ControlPlaneService, limiter: FailureLimiter) {
        self.admin = admin
        self.service = service
        self.limiter = limiter
    }

    /// Who has a token.
    ///
    /// A right token is always let in, whatever came from its address before: nobody guesses 255 bits, and a stranger
    /// on the same address must not be able to lock others out. What is limited is what wrong ones cost.
    ///
    /// - Parameters:
    ///   - text: the token, as it stands behind `Bearer`.
    ///   - address: where it came from, to count failures by; nil counts with all others that have none.
    /// - Throws: `Problem` 401 for a wrong or expired token; 429 when an address has sent too many wrong ones; `StoreError`.
    func principal(of text: String, from address: SocketAddress?) async throws -> Principal {
        if admin.matches(text) { return .administrator }
        let id = TokenSecret.id(in: text)
        let record: TokenRecord? = if let id { try await service.tokenRecord(id) } else { nil }
        // One comparison of the same length for every text, also when there is no such token.
        let isRight = TokenSecret.matches(text, digest: record?.digest ?? String(repeating: "0", count: 64))
        guard let record, isRight else {
            try await failed(from: address)
            throw Problem.wrongToken
        }
        if let expired = record.token.expiresAt, expired <= .now {
            // Whoever has the secret may know why it no longer works; it counts as a failure all the same.
            try await failed(from: address)
            throw Problem.expiredToken(record.token.name, at: expired)
        }
        return Principal(name: "token \(record.token.name)", scope: record.token.scope, tokenID: record.token.id)
    }

    /// What let a principal in does so still: its token is neither expired nor revoked. For sessions that outlive one
    /// request.
    ///
    /// - Throws: `StoreError`.
    func isCurrent(_ principal: Principal) async throws -> Bool {
        guard let id = principal.tokenID else { return true }
        guard let record = try await service.tokenRecord(id) else { return false }
        return record.token.expiresAt.map { $0 > .now } ?? true
    }

    private func failed(from address: SocketAddress?) async throws {
        let source = Self.source(address)
        guard case .limited(let seconds, let isFirst) = limiter.failed(source) else { return }
        if isFirst {
            await service.audit(.denied, "too many wrong tokens from \(source): its further ones are refused for now")
        }
        throw TooManyFailures(retryAfterSeconds: seconds)
    }

    /// The address without its port; of an IPv6 address the first 64 bits, which are what one host has to itself.
    static func source(_ address: SocketAddress?) -> String {
        guard let text = address?.ipAddress else { return "an unknown address" }
        var bytes = [UInt8](repeating: 0, count: 16)
        guard inet_pton(AF_INET6, text, &bytes) == 1, !text.hasPrefix("::") else { return text }
        let groups = stride(from: 0, to: 8, by: 2).map { String(Int(bytes[$0]) << 8 | Int(bytes[$0 + 1]), radix: 16) }
        return groups.joined(separator: ":") + "::/64"
    }
}
