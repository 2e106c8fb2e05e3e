// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import PaaSClient
internal import PaaSModel
internal import ProgramSupport

/// Where the control plane is, and what opens it.
struct ControlPlaneAddress: Hashable {
    let endpoint: APIEndpoint
    let token: String?

    /// The two questions about files that the default depends on.
    struct Files: Sendable {
        /// Something is at a path.
        let exists: @Sendable (String) -> Bool
        /// Text of a small file; nil when it cannot be read.
        let text: @Sendable (String) -> String?

        static let system = Files(
            exists: { FileManager.default.fileExists(atPath: $0) },
            text: { path in
                FileManager.default.contents(atPath: path).flatMap {
                    $0.count <= 4096 ? String(validating: $0, as: UTF8.self) : nil
                }
            })
    }

    /// Decides: a given URL wins; else the home's Unix socket when it is there; else the default TCP address.
    ///
    /// The saved token is only ever sent to this machine.
    ///
    /// - Throws: `ClientError.invalidEndpoint`.
    init(url: String?, token: String?, home: PaaSHome, files: Files) throws {
        if let url {
            endpoint = try APIEndpoint(validating: url)
        } else if files.exists(home.apiSocket) {
            endpoint = .unix(path: home.apiSocket)
        } else {
            endpoint = .tcp(base: "http://\(Defaults.apiListen)")
        }
        let given = token?.trimmed()
        if let given, !given.isEmpty {
            self.token = given
        } else if Self.isLoopback(endpoint) {
            self.token = files.text(home.adminToken)?.trimmed()
        } else {
            self.token = nil
        }
    }

    private static func isLoopback(_ endpoint: APIEndpoint) -> Bool {
        guard case .tcp(let base) = endpoint, let host = URL(string: base)?.host() else { return false }
        return HostPort(host: host.filter { $0 != "[" && $0 != "]" }, port: 0).isLoopback
    }
}
