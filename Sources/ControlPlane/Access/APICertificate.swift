// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import NIOCore
internal import NIOSSL
internal import Synchronization

/// Certificate chain and key of the API's TCP listener, from PEM files. ``reload()`` takes a renewed pair up for the
/// connections to come.
public final class APICertificate: Sendable {
    private struct Pair: Sendable {
        let chain: [NIOSSLCertificateSource]
        let key: NIOSSLPrivateKeySource
    }

    private let chainPath: String
    private let keyPath: String
    private let pair: Mutex<Pair>

    /// Reads both files.
    ///
    /// - Throws: `StartupError` when one cannot be read, the key is for everybody to read, or they do not fit.
    public init(chainPath: String, keyPath: String) throws(StartupError) {
        self.chainPath = chainPath
        self.keyPath = keyPath
        pair = Mutex(try Self.read(chainPath, keyPath))
    }

    /// Reads both files again.
    ///
    /// - Throws: `StartupError`; the pair in use then stays.
    public func reload() throws(StartupError) {
        let new = try Self.read(chainPath, keyPath)
        pair.withLock { $0 = new }
    }

    /// TLS 1.2 and newer, without client certificates: clients have tokens.
    var configuration: TLSConfiguration {
        let now = pair.withLock { $0 }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: now.chain, privateKey: now.key)
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        configuration.sslContextCallback = { [self] _, promise in
            let now = pair.withLock { $0 }
            var override = NIOSSLContextConfigurationOverride()
            override.certificateChain = now.chain
            override.privateKey = now.key
            promise.succeed(override)
        }
        return configuration
    }

    private static func read(_ chainPath: String, _ keyPath: String) throws(StartupError) -> Pair {
        var status = stat()
        guard stat(keyPath, &status) == 0 else {
            throw StartupError("cannot read the key \(keyPath): \(String(cString: strerror(errno)))")
        }
        guard status.st_mode & 0o007 == 0 else {
            throw StartupError("the key \(keyPath) can be read by everybody; run 'chmod o= \(keyPath)'")
        }
        let chain: [NIOSSLCertificate]
        do {
            chain = try NIOSSLCertificate.fromPEMFile(chainPath)
        } catch {
            throw StartupError("cannot read a certificate from \(chainPath); it must be a PEM file")
        }
        let key: NIOSSLPrivateKey
        do {
            key = try NIOSSLPrivateKey(file: keyPath, format: .pem)
        } catch {
            throw StartupError("cannot read a private key from \(keyPath); it must be a PEM file without a password")
        }
        let pair = Pair(chain: chain.map { .certificate($0) }, key: .privateKey(key))
        do {
            _ = try NIOSSLContext(
                configuration: .makeServerConfiguration(certificateChain: pair.chain, privateKey: pair.key))
        } catch {
            throw StartupError("the key \(keyPath) does not belong to the certificate \(chainPath)")
        }
        return pair
    }
}
