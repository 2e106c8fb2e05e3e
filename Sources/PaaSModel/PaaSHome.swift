// SPDX-License-Identifier: Apache-2.0

/// Where the three programs keep their state: `PAAS_HOME`, `--home`, or a default that depends on the user.
///
/// Pure: it only computes paths.
public struct PaaSHome: Hashable, Sendable {
    /// Root of all state.
    public let root: String
    /// Directory of the sockets.
    public let runDirectory: String

    /// A home below an explicit directory: everything, sockets too, lies below it.
    public init(root: String) {
        self.init(root: root, runDirectory: root + "/run")
    }

    private init(root: String, runDirectory: String) {
        self.root = root
        self.runDirectory = runDirectory
    }

    /// The default home: `/var/lib/mini-paas` with sockets in `/run/mini-paas` for root, XDG directories for others.
    ///
    /// - Parameters:
    ///   - environment: `PAAS_HOME`, `XDG_STATE_HOME`, `XDG_RUNTIME_DIR` and `HOME` are read.
    ///   - userID: effective uid of the process.
    public init(environment: [String: String], userID: UInt32) {
        if let home = environment["PAAS_HOME"], !home.isEmpty {
            self.init(root: home)
        } else if userID == 0 {
            self.init(root: "/var/lib/mini-paas", runDirectory: "/run/mini-paas")
        } else {
            // The XDG Base Directory Specification has an empty variable count as unset.
            let set = environment.filter { !$0.value.isEmpty }
            let state = set["XDG_STATE_HOME"] ?? (set["HOME"] ?? "/") + "/.local/state"
            let runtime = set["XDG_RUNTIME_DIR"]
            self.init(
                root: state + "/mini-paas", runDirectory: runtime.map { $0 + "/mini-paas" } ?? state + "/mini-paas/run")
        }
    }

    /// The control plane's database.
    public var database: String { root + "/paasd/paas.db" }
    /// Uploaded bundles, one file per SHA-256.
    public var bundles: String { root + "/paasd/bundles" }
    /// The agent's state.
    public var agent: String { root + "/agent" }
    /// The control plane's Unix socket.
    public var apiSocket: String { runDirectory + "/paasd.sock" }
    /// The agent's Unix socket.
    public var agentSocket: String { runDirectory + "/agent.sock" }
    /// Where an agent waits for another one that takes its place.
    public var agentHandoverSocket: String { runDirectory + "/agent-handover.sock" }
    /// The first administrator's token, mode 0600.
    public var adminToken: String { root + "/admin.token" }
}
