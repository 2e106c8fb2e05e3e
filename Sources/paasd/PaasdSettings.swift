// SPDX-License-Identifier: Apache-2.0

import Logging
import PaaSModel
import ProgramSupport

/// The settings of `paasd`: flag over environment over configuration file.
struct PaasdSettings: Sendable {
    /// Keys of a configuration file beside the common ones.
    static let keys: Set<String> = ["listen", "store"]

    let home: PaaSHome
    let listen: HostPort
    /// Path of the SQLite database.
    let database: String
    let logLevel: Logger.Level
    let logFormat: LogFormat

    /// - Throws: `ConfigurationError`.
    init(common: CommonOptions, listen: String?, store: String?) throws(ConfigurationError) {
        let settings = try common.settings(keys: Self.keys)
        let home = try common.resolveHome(settings)
        self.home = home
        logLevel = try common.resolveLogLevel(settings)
        logFormat = try common.resolveLogFormat(settings)
        self.listen =
            try settings.value("listen", flag: listen ?? nil) { text, source in
                let address = try HostPort(validating: text, field: source)
                guard address.isLoopback else {
                    throw PaaSModel.ValidationError(
                        field: source,
                        message: "'\(address)' is reachable from outside, and the API has no TLS yet; listen on "
                            + "127.0.0.1:\(address.port) and use an SSH tunnel")
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
}
