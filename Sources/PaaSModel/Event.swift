// SPDX-License-Identifier: Apache-2.0

/// Something that happened to an app or a node, for people and programs.
public struct Event: Codable, Hashable, Sendable {
    /// What happened.
    public enum Kind: String, Codable, CaseIterable, Hashable, Sendable {
        case created, deployed, scaled, destroyed
        case deployFailed = "deploy-failed"
        case starting, ready, exited, restarting, stopping, stopped, failed
        case crashLooping = "crash-looping"
        case startFailed = "start-failed"
        case health, adopted, node, warning
        case limitsChanged = "limits-changed"
        /// A token was made or revoked.
        case token
        /// Somebody was refused.
        case denied
        /// Somebody ran a command beside the app: in an instance, or in a sandbox of its own.
        case exec, run
        /// The sandbox of an app has blocked a system call; see ``Event/blocked``.
        case blocked
        /// A kind that this version does not know.
        case unknown

        public init(from decoder: any Decoder) throws {
            self = Kind(rawValue: try decoder.singleValueContainer().decode(String.self)) ?? .unknown
        }
    }

    /// Position in the control plane's history, growing; 0 until the control plane has it.
    public var id: Int64
    /// When it happened.
    public var time: Timestamp
    /// What happened.
    public var kind: Kind
    /// The app's name, unless it is about a node.
    public var app: String?
    /// The instance, `web.1`.
    public var instance: String?
    /// The release, `v1`.
    public var release: String?
    /// Who asked for it: `root`, `user 1000`, `admin.token`, `token ci`; nil for what happened by itself.
    public var by: String?
    /// One sentence.
    public var message: String
    /// Of kind ``Kind/blocked``: which call, and how often since the last event about it.
    public var blocked: BlockedCall?

    /// Creates an event.
    public init(
        id: Int64 = 0, time: Timestamp, kind: Kind, app: String? = nil, instance: String? = nil,
        release: String? = nil, by: String? = nil, message: String,
        blocked: BlockedCall? = nil
    ) {
        self.id = id
        self.time = time
        self.kind = kind
        self.app = app
        self.instance = instance
        self.release = release
        self.by = by
        self.message = message
        self.blocked = blocked
    }
}
