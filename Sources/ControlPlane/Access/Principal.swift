// SPDX-License-Identifier: Apache-2.0

internal import Glibc
public import PaaSModel

/// Who asks, and what is open to them.
public struct Principal: Hashable, Sendable {
    /// How events name them: `root`, `user 1000`, `admin.token`, `token ci`.
    public let name: String
    /// What is open to them.
    public let scope: TokenScope
    /// The token of the store that they came with; nil for the administrator's own ways in.
    public let tokenID: String?

    init(name: String, scope: TokenScope, tokenID: String? = nil) {
        self.name = name
        self.scope = scope
        self.tokenID = tokenID
    }

    /// A process at the other end of the Unix socket; nil when it may not come in.
    static func peer(uid: UInt32) -> Principal? {
        guard uid == 0 || uid == geteuid() else { return nil }
        return Principal(name: uid == 0 ? "root" : "user \(uid)", scope: .admin)
    }

    /// Who has the file `admin.token`.
    static let administrator = Principal(name: "admin.token", scope: .admin)

    /// On whose behalf the running task changes something, for the events that it makes.
    @TaskLocal static var current: Principal?
}
