// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Counts what costs a client less than the router, and is not needed often (CVE-2019-9512, CVE-2019-9515, CVE-2019-9518, CVE-2023-44487, CVE-2025-8671).
struct HTTP2Guard {
    /// What is counted by itself.
    enum Kind: Int, CaseIterable {
        /// Streams that the client resets.
        case reset
        /// Streams that the router resets because of what the client has sent.
        case error
        /// Frames that carry nothing of a request: settings, pings, priorities, farewells, and content without a byte.
        case control
    }

    /// How many are accepted…
    static let most = 200
    /// …in this time from the first one on.
    static let time = TimeAmount.seconds(30)

    private var counts = [(count: Int, since: NIODeadline)](
        repeating: (0, NIODeadline.uptimeNanoseconds(0)), count: Kind.allCases.count)

    /// Counts one.
    ///
    /// - Throws: ``HTTP2Failure`` when it is one too many.
    mutating func count(_ kind: Kind, now: NIODeadline) throws(HTTP2Failure) {
        if counts[kind.rawValue].count == 0 || now - counts[kind.rawValue].since > Self.time {
            counts[kind.rawValue] = (0, now)
        }
        counts[kind.rawValue].count += 1
        guard counts[kind.rawValue].count <= Self.most else { throw HTTP2Failure(code: .enhanceYourCalm) }
    }
}
