// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import Synchronization

/// Counts what failed, for each source: so many at once, and then one more for each interval.
final class FailureLimiter: Sendable {
    /// What a failure meets with.
    enum Verdict: Hashable, Sendable {
        /// It was one of those that are free.
        case counted
        /// Too many: the next one counts after so many whole seconds. `isFirst` for the one that begins it.
        case limited(retryAfterSeconds: Int64, isFirst: Bool)
    }

    private struct Bucket {
        var free: Double
        var updated: NIODeadline
        var isLimited = false
    }

    /// Sources that are remembered; beyond that the one that has failed least goes.
    static let maxSources = 1_024

    private let buckets = Mutex<[String: Bucket]>([:])
    private let capacity: Double
    private let interval: TimeAmount
    private let now: @Sendable () -> NIODeadline

    /// Creates a limiter.
    ///
    /// - Parameters:
    ///   - capacity: failures that are free at once.
    ///   - interval: time after which one more is free.
    ///   - now: the monotonic clock.
    init(
        capacity: Int = 10, interval: TimeAmount = .seconds(6), now: @escaping @Sendable () -> NIODeadline = { .now() }
    ) {
        self.capacity = Double(capacity)
        self.interval = interval
        self.now = now
    }

    /// Sources that are remembered now.
    var count: Int { buckets.withLock { $0.count } }

    /// Counts a failure.
    func failed(_ source: String) -> Verdict {
        let now = now()
        return buckets.withLock { buckets in
            var bucket = refilled(buckets[source] ?? Bucket(free: capacity, updated: now), now)
            defer { buckets[source] = bucket }
            if buckets[source] == nil, buckets.count >= Self.maxSources { forgetLeast(&buckets, now) }
            if bucket.free >= 1 {
                bucket.free -= 1
                return .counted
            }
            let isFirst = !bucket.isLimited
            bucket.isLimited = true
            let wait = (1 - bucket.free) * Double(interval.nanoseconds) / 1e9
            return .limited(retryAfterSeconds: max(1, Int64(wait.rounded(.up))), isFirst: isFirst)
        }
    }

    private func refilled(_ bucket: Bucket, _ now: NIODeadline) -> Bucket {
        let gained = Double((now - bucket.updated).nanoseconds) / Double(interval.nanoseconds)
        var bucket = bucket
        bucket.free = min(capacity, bucket.free + gained)
        bucket.updated = now
        // Half of it must be free again before a new series is told about.
        if bucket.free >= capacity / 2 { bucket.isLimited = false }
        return bucket
    }

    private func forgetLeast(_ buckets: inout [String: Bucket], _ now: NIODeadline) {
        guard let least = buckets.max(by: { refilled($0.value, now).free < refilled($1.value, now).free }) else {
            return
        }
        buckets[least.key] = nil
    }
}
