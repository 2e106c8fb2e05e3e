// SPDX-License-Identifier: Apache-2.0

internal import Crypto
internal import NIOCore
internal import Synchronization

/// Who is signed in to the dashboard. In memory: a restart of the control plane signs everybody out.
///
/// A session holds whom a token let in, never the token. Whether that token is still good is asked for every request.
final class DashboardSessions: Sendable {
    /// One browser that is signed in.
    struct Session: Hashable, Sendable {
        let principal: Principal
        /// What every form must bring along: an other site's form cannot know it.
        let formToken: String
        fileprivate let ends: NIODeadline
    }

    /// How long a session lasts.
    static let life = TimeAmount.hours(12)
    /// Sessions that exist at the same time; a further one ends the one that ends first.
    static let limit = 256

    /// By the digest of what the cookie says, so that looking one up takes no time that depends on a secret.
    private let sessions = Mutex<[SHA256Digest: Session]>([:])
    private let now: @Sendable () -> NIODeadline

    /// - Parameter now: the monotonic clock.
    init(now: @escaping @Sendable () -> NIODeadline = { .now() }) { self.now = now }

    /// Begins a session, and returns what its cookie says: 255 random bits.
    func begin(_ principal: Principal) -> String {
        let secret = RandomID.characters(51)
        let session = Session(principal: principal, formToken: RandomID.characters(51), ends: now() + Self.life)
        sessions.withLock { sessions in
            sessions = sessions.filter { $0.value.ends > now() }
            if sessions.count >= Self.limit, let first = sessions.min(by: { $0.value.ends < $1.value.ends }) {
                sessions[first.key] = nil
            }
            sessions[Self.key(secret)] = session
        }
        return secret
    }

    /// The session of a cookie; nil when there is none, or none any more.
    func session(_ secret: String) -> Session? {
        sessions.withLock { sessions in sessions[Self.key(secret)].flatMap { $0.ends > now() ? $0 : nil } }
    }

    /// Ends a session.
    func end(_ secret: String) { sessions.withLock { $0[Self.key(secret)] = nil } }

    private static func key(_ secret: String) -> SHA256Digest { SHA256.hash(data: Array(secret.utf8)) }
}
