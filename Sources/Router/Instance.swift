// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// An instance that is in the table, or was and still has requests or connections.
///
/// Concurrency proof for `@unchecked Sendable`: what changes is used by the table only, under its lock.
final class Instance: @unchecked Sendable {
    let upstream: Upstream
    var inFlight = 0
    /// Ready routes that lead to it: one, or none.
    var routes = 0
    var isRouted: Bool { routes > 0 }
    /// It accepted no connection, and until then others are preferred.
    var ejectedUntil: NIODeadline?
    var traffic = UpstreamTraffic()

    init(_ upstream: Upstream) { self.upstream = upstream }

    var isForgettable: Bool { !isRouted && inFlight == 0 }

    /// What speaks against choosing it: its requests, above all that it accepts no connection.
    func load(avoiding failed: Instance?, now: NIODeadline) -> Int {
        if self === failed { return Int.max - 1 }
        if let until = ejectedUntil, until > now { return Int.max - 2 }
        return inFlight
    }
}
