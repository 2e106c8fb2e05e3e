// SPDX-License-Identifier: Apache-2.0

import Crypto
import FoundationEssentials
import Glibc
import LinuxSystem
import Router
import SwiftASN1
import X509

/// A certificate authority of this node's own, for development: it vouches for `localhost`, names below it, and loopback
/// addresses. Its certificate says so itself (name constraints), so that who trusts it trusts it with nothing else.
///
/// The authority's key stays in the directory; the key of the certificates that it gives out is in memory only.
final class LocalAuthority: Sendable {
    /// How long the authority lasts.
    private static let years = 10
    /// How long a certificate that it gives out lasts; it is made anew after half of that.
    private static let leafDays = 90

    /// The certificate to trust, PEM.
    let certificateFile: String
    private let certificate: Certificate
    private let key: Certificate.PrivateKey
    private let leafKey = P256.Signing.PrivateKey()

    /// Reads the authority of a directory, and makes it first when there is none.
    ///
    /// - Parameter directory: exists, for its owner alone.
    /// - Throws: `ProgramError`.
    init(directory: String) throws {
        certificateFile = directory + "/ca.pem"
        let keyFile = directory + "/ca.key"
        do {
            // The key goes first: one without a certificate is replaced, the other way round nothing could be.
            if access(certificateFile, F_OK) != 0 { try Self.make(certificateFile, keyFile) }
            certificate = try Certificate(pemEncoded: try Self.text(of: certificateFile))
            key = try Certificate.PrivateKey(pemEncoded: try Self.text(of: keyFile))
        } catch {
            throw ProgramError(
                "the local certificate authority in \(directory) cannot be used: \(error); "
                    + "move that directory away to get a new one")
        }
        guard certificate.publicKey == key.publicKey, certificate.notValidAfter > Date() else {
            throw ProgramError(
                "the local certificate authority in \(directory) has expired or another key; "
                    + "move that directory away to get a new one, and trust its ca.pem anew")
        }
    }

    /// A certificate for a name, with the key of this process.
    func issue(for name: String) throws -> RouterTLS.Issued {
        let now = Date()
        let isPlain = name == "localhost"
        let addresses = [[127, 0, 0, 1], [UInt8](repeating: 0, count: 15) + [1]].map {
            GeneralName.ipAddress(ASN1OctetString(contentBytes: $0[...]))
        }
        let leaf = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(leafKey.publicKey),
            notValidBefore: now.addingTimeInterval(-3_600),
            notValidAfter: min(now.addingTimeInterval(Double(Self.leafDays) * 86_400), certificate.notValidAfter),
            issuer: certificate.subject, subject: try DistinguishedName { CommonName(String(name.prefix(64))) },
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([.serverAuth])
                SubjectAlternativeNames([.dnsName(name)] + (isPlain ? addresses : []))
                AuthorityKeyIdentifier(
                    keyIdentifier: SubjectKeyIdentifier(hash: certificate.publicKey).keyIdentifier)
            }, issuerPrivateKey: key)
        var serializer = DER.Serializer()
        try serializer.serialize(leaf)
        return RouterTLS.Issued(
            certificate: serializer.serializedBytes, key: Array(leafKey.pemRepresentation.utf8),
            renewAfter: .seconds(Self.leafDays * 86_400 / 2))
    }

    private static func make(_ certificateFile: String, _ keyFile: String) throws {
        let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        let now = Date()
        let name = try DistinguishedName { CommonName("Mini PaaS development, this machine only") }
        let loopback = [[127, 0, 0, 0, 255, 0, 0, 0], loopback6].map { ASN1OctetString(contentBytes: $0[...]) }
        let certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey,
            notValidBefore: now.addingTimeInterval(-3_600),
            notValidAfter: now.addingTimeInterval(Double(years) * 365 * 86_400), issuer: name, subject: name,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                Critical(
                    NameConstraints(
                        permittedDNSDomains: ["localhost"], permittedIPRanges: loopback))
                SubjectKeyIdentifier(hash: key.publicKey)
            }, issuerPrivateKey: key)
        try FileReplacement.replace(keyFile, with: Array(key.serializeAsPEM().pemString.utf8), sync: true)
        try FileReplacement.replace(
            certificateFile, with: Array(certificate.serializeAsPEM().pemString.utf8), sync: true)
    }

    /// `::1` and a mask of all bits.
    private static let loopback6 =
        [UInt8](repeating: 0, count: 15) + [1] + [UInt8](repeating: 255, count: 16)

    private static func text(of path: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
    }
}
