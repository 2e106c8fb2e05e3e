// SPDX-License-Identifier: Apache-2.0

public import NIOCore
import NIOSSL
import PaaSModel
import Synchronization

/// Where a router accepts TLS, beside its address for plain connections.
public struct RouterTLSListener: Sendable {
    /// Address to listen on.
    public var host: String
    /// Port to listen on; 0 lets the kernel choose.
    public var port: Int
    /// What the router shows for itself.
    public var tls: RouterTLS
    /// A socket that listens already, which the router closes; instead of the address.
    public var listeningSocket: NIOBSDSocket.Handle?

    /// Creates a listener.
    public init(host: String, port: Int, tls: RouterTLS, listeningSocket: NIOBSDSocket.Handle? = nil) {
        self.host = host
        self.port = port
        self.tls = tls
        self.listeningSocket = listeningSocket
    }
}

/// The certificates for connections that are accepted from now on.
public final class RouterTLS: Sendable {
    /// A certificate that was made for one name.
    public struct Issued: Sendable {
        /// DER.
        public var certificate: [UInt8]
        /// Its private key, PEM.
        public var key: [UInt8]
        /// When another one is made.
        public var renewAfter: Duration

        /// Creates it.
        public init(certificate: [UInt8], key: [UInt8], renewAfter: Duration) {
            self.certificate = certificate
            self.key = key
            self.renewAfter = renewAfter
        }
    }

    private enum Source: Sendable {
        case files(certificate: String, key: String)
        case issuer(CertificateIssuer)
    }

    private let source: Source
    private let context: Mutex<NIOSSLContext>

    /// Reads a certificate and its key from files.
    ///
    /// - Parameters:
    ///   - certificateFile: PEM, the server's certificate first, then those between it and the root.
    ///   - keyFile: PEM, without a passphrase.
    /// - Throws: ``RouterError``.
    public convenience init(certificateFile: String, keyFile: String) throws {
        try self.init(.files(certificate: certificateFile, key: keyFile))
    }

    /// Has a certificate made for each name that clients ask for: `localhost` and the names of apps below it.
    ///
    /// - Parameter issue: makes one; called at a handshake, so it must be quick.
    public convenience init(issuing issue: @escaping @Sendable (_ name: String) throws -> Issued) throws {
        try self.init(.issuer(CertificateIssuer(issue: issue)))
    }

    private init(_ source: Source) throws {
        self.source = source
        context = Mutex(try Self.load(source))
    }

    /// Reads the files again. Connections that exist keep what they have; when it fails, everything stays as it was.
    ///
    /// - Throws: ``RouterError``.
    public func reload() throws {
        let new = try Self.load(source)
        context.withLock { $0 = new }
    }

    func makeHandler() throws -> NIOSSLServerHandler {
        NIOSSLServerHandler(context: context.withLock { $0 })
    }

    private static func load(_ source: Source) throws -> NIOSSLContext {
        var configuration: TLSConfiguration
        switch source {
        case .files(let certificateFile, let keyFile):
            configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: try certificates(certificateFile).map { .certificate($0) },
                privateKey: .privateKey(try key(keyFile)))
        case .issuer(let issuer):
            let identity = try issuer.identity(for: CertificateIssuer.defaultName)
            configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: [.certificate(identity.certificate)], privateKey: .privateKey(identity.key))
            configuration.sslContextCallback = { hello, promise in
                promise.completeWith(Result { try issuer.override(for: hello.serverHostname) })
            }
        }
        configuration.minimumTLSVersion = .tlsv12
        configuration.shutdownTimeout = TimeAmount(FrontConnection.lingerTimeout)
        configuration.applicationProtocols = ["h2", "http/1.1"]
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            guard case .files(let certificateFile, let keyFile) = source else { throw error }
            throw RouterError.unusableCertificate(keyFile, "does not belong to \(certificateFile): \(error)")
        }
    }

    private static func certificates(_ file: String) throws -> [NIOSSLCertificate] {
        let certificates: [NIOSSLCertificate]
        do {
            certificates = try NIOSSLCertificate.fromPEMFile(file)
        } catch {
            throw RouterError.unusableCertificate(file, "holds no certificate in PEM that can be read: \(error)")
        }
        guard let leaf = certificates.first else {
            throw RouterError.unusableCertificate(file, "holds no certificate")
        }
        guard Int64(leaf.notValidAfter) > Timestamp.now.microseconds / 1_000_000 else {
            throw RouterError.unusableCertificate(file, "has expired")
        }
        return certificates
    }

    private static func key(_ file: String) throws -> NIOSSLPrivateKey {
        do {
            return try NIOSSLPrivateKey(file: file, format: .pem)
        } catch {
            throw RouterError.unusableCertificate(file, "holds no private key in PEM that can be read: \(error)")
        }
    }
}
