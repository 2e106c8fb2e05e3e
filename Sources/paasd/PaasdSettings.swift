// SPDX-License-Identifier: Apache-2.0

import Logging
import PaaSModel
import ProgramSupport

/// The settings of `paasd`: flag over environment over configuration file.
struct PaasdSettings: Sendable {
    /// Keys of a configuration file beside the common ones.
    static let keys: Set<String> = ["listen", "store", "tls-certificate", "tls-key", "token-failures"]

    let home: PaaSHome
    let listen: HostPort
    /// PEM files for TLS on `listen`; nil without TLS.
    let tls: (certificate: String, key: String)?
    /// Wrong tokens of one address that are free at once.
    let tokenFailures: Int
    /// Path of the SQLite database.
    let database: String
    let logLevel: Logger.Level
    let logFormat: LogFormat

    /// - Throws: `ConfigurationError`.
    init(
        common: CommonOptions, listen: String? = nil, store: String? = nil, tlsCertificate: String? = nil,
        tlsKey: String? = nil, tokenFailures: String? = nil
    ) throws(ConfigurationError) {
        let settings = try common.settings(keys: Self.keys)
        let home = try common.resolveHome(settings)
        self.home = home
        logLevel = try common.resolveLogLevel(settings)
        logFormat = try common.resolveLogFormat(settings)
        self.tokenFailures =
            try settings.value("token-failures", flag: tokenFailures) { text, source in
                guard let count = Int(text), (1...1_000_000).contains(count) else {
                    throw PaaSModel.ValidationError(
                        field: source, message: "'\(text.prefix(40))' is not a number from 1 to 1000000")
                }
                return count
            } ?? 10
        tls = try Self.tls(
            certificate: settings.text("tls-certificate", flag: tlsCertificate),
            key: settings.text("tls-key", flag: tlsKey))
        let hasTLS = tls != nil
        self.listen =
            try settings.value("listen", flag: listen) { text, source in
                let address = try HostPort(validating: text, field: source)
                guard address.isLoopback || hasTLS else {
                    throw PaaSModel.ValidationError(
                        field: source,
                        message:
                            "'\(address)' is reachable from outside, and a token must not travel in the clear; give "
                            + "--tls-certificate and --tls-key, or listen on 127.0.0.1:\(address.port)")
                }
                return address
            } ?? HostPort(host: "127.0.0.1", port: 7070)
        database =
            try settings.value("store", flag: store) { text, source in
                guard text.hasPrefix("sqlite:") else {
                    throw PaaSModel.ValidationError(
                        field: source,
                        message: "'\(text.prefix(80))' is not supported; write sqlite: or sqlite:/path/to/file")
                }
                let path = String(text.dropFirst("sqlite:".count))
                guard path.isEmpty || path.hasPrefix("/") else {
                    throw PaaSModel.ValidationError(
                        field: source, message: "the path in '\(text.prefix(80))' is not absolute")
                }
                return path.isEmpty ? home.database : path
            } ?? home.database
    }

    private static func tls(
        certificate: String?, key: String?
    ) throws(ConfigurationError) -> (certificate: String, key: String)? {
        switch (certificate, key) {
        case (nil, nil): return nil
        case (let certificate?, let key?): return (certificate, key)
        case (nil, _): throw ConfigurationError(source: "--tls-key", message: "needs --tls-certificate beside it")
        case (_, nil): throw ConfigurationError(source: "--tls-certificate", message: "needs --tls-key beside it")
        }
    }
}
