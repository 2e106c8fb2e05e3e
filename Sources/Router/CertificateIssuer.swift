// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOSSL
import PaaSModel
import Synchronization

/// Remembers the certificates that were made for names.
final class CertificateIssuer: Sendable {
    struct Identity {
        let certificate: NIOSSLCertificate
        let key: NIOSSLPrivateKey
        let renewal: NIODeadline
    }

    /// For clients that name no app: by address, or nothing at all.
    static let defaultName = "localhost"
    /// Names are a client's to choose, so no more than this are remembered.
    private static let maxNames = 1_000

    private let issue: @Sendable (String) throws -> RouterTLS.Issued
    private let identities = Mutex<[String: Identity]>([:])

    init(issue: @escaping @Sendable (String) throws -> RouterTLS.Issued) {
        self.issue = issue
    }

    /// What a handshake uses; for a name that nobody can vouch for, the default.
    func override(for name: String?) throws -> NIOSSLContextConfigurationOverride {
        let lower = name?.lowercased() ?? ""
        let app = (try? Authority(lower))?.appName
        let identity = try identity(for: app.map { $0 + ".localhost" } ?? Self.defaultName)
        var override = NIOSSLContextConfigurationOverride()
        override.certificateChain = [.certificate(identity.certificate)]
        override.privateKey = .privateKey(identity.key)
        return override
    }

    func identity(for name: String) throws -> Identity {
        if let known = identities.withLock({ $0[name] }), known.renewal > .now() { return known }
        let issued = try issue(name)
        let identity = Identity(
            certificate: try NIOSSLCertificate(bytes: issued.certificate, format: .der),
            key: try NIOSSLPrivateKey(bytes: issued.key, format: .pem),
            renewal: .now() + TimeAmount(issued.renewAfter))
        identities.withLock { identities in
            if identities.count >= Self.maxNames { identities = [:] }
            identities[name] = identity
        }
        return identity
    }
}
