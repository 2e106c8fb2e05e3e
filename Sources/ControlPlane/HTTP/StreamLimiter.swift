// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel
internal import Synchronization

/// Bounds the number of open streams.
final class StreamLimiter: Sendable {
    private let open = Mutex(0)
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    /// Streams that are open now.
    var count: Int { open.withLock { $0 } }

    /// A permit; the stream counts as long as the permit lives.
    ///
    /// - Throws: `Problem` 429.
    func permit() throws -> Permit {
        try open.withLock { count in
            guard count < limit else { throw Problem.tooManyStreams }
            count += 1
        }
        return Permit(self)
    }

    /// Gives its place back when it goes away.
    final class Permit: Sendable {
        private let limiter: StreamLimiter

        fileprivate init(_ limiter: StreamLimiter) { self.limiter = limiter }

        deinit { limiter.open.withLock { $0 -= 1 } }
    }
}
