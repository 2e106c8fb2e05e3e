// SPDX-License-Identifier: Apache-2.0

/// Counts of latencies in buckets that grow with the latency: eight for each doubling, so a quantile is at most 12.5 %
/// too high. From 1 µs to 71 minutes; 1 KiB. Recording is a shift, a count of zeros and an addition.
public struct LatencyHistogram: Hashable, Sendable {
    private static let bits = 3
    private static let perDoubling = 1 << bits
    private static let buckets = (33 - bits) * perDoubling
    private static let longest: UInt64 = 1 << 32 - 1

    private var counts = [UInt32](repeating: 0, count: buckets)

    /// An empty histogram.
    public init() {}

    /// Counts one latency. One that is longer than the range counts as the longest.
    public mutating func record(nanoseconds: Int64) {
        counts[Self.bucket(of: min(UInt64(max(nanoseconds, 0)) / 1_000, Self.longest))] &+= 1
    }

    private static func bucket(of microseconds: UInt64) -> Int {
        guard microseconds >= perDoubling else { return Int(microseconds) }
        let doublings = 63 - bits - microseconds.leadingZeroBitCount
        return (doublings + 1) << bits + Int(microseconds >> UInt64(doublings)) - perDoubling
    }

    /// The longest latency that a bucket counts, in microseconds.
    private static func upperBound(of bucket: Int) -> Int64 {
        guard bucket >= perDoubling else { return Int64(bucket) }
        let doublings = bucket >> bits - 1
        return Int64(bucket & (perDoubling - 1) + perDoubling + 1) << Int64(doublings) - 1
    }

    /// The latency that a share of the requests did not exceed, rounded up to its bucket; nil without requests.
    ///
    /// - Parameters:
    ///   - share: 0.99 for P99.
    ///   - earlier: the same histogram at an earlier time: only requests since then count.
    public func quantile(_ share: Double, since earlier: LatencyHistogram = LatencyHistogram()) -> Duration? {
        // Counters wrap around; a difference of two of them does not.
        let recent = zip(counts, earlier.counts).map { Int64($0 &- $1) }
        let total = recent.reduce(0, +)
        guard total > 0 else { return nil }
        let rank = max(1, Int64((Double(total) * share).rounded(.up)))
        var seen: Int64 = 0
        for (bucket, count) in recent.enumerated() {
            seen += count
            if seen >= rank { return .microseconds(Self.upperBound(of: bucket)) }
        }
        return nil
    }
}

/// What one instance has answered since it entered the route table.
public struct UpstreamTraffic: Hashable, Sendable {
    /// Requests that are over, tunnels included.
    public private(set) var requests: Int64 = 0
    /// From a request's head to the head of its answer.
    public private(set) var latencies = LatencyHistogram()

    /// Nothing yet.
    public init() {}

    /// Counts a request.
    ///
    /// - Parameter latency: nil when the client left before there was an answer.
    mutating func count(latencyNanoseconds latency: Int64?) {
        requests += 1
        if let latency { latencies.record(nanoseconds: latency) }
    }
}
