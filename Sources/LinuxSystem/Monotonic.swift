// SPDX-License-Identifier: Apache-2.0

internal import CLinuxSupport

/// Time since boot that no clock change touches (CLOCK_MONOTONIC); for durations and deadlines.
public struct MonotonicInstant: Hashable, Comparable, Sendable {
    /// Nanoseconds of CLOCK_MONOTONIC.
    public let nanoseconds: Int64

    /// Creates an instant from nanoseconds of CLOCK_MONOTONIC.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// Now.
    public static var now: MonotonicInstant { MonotonicInstant(nanoseconds: cls_monotonic_ns()) }

    /// Time from this instant to a later one.
    public func duration(to other: MonotonicInstant) -> Duration {
        .nanoseconds(other.nanoseconds - nanoseconds)
    }

    public static func < (lhs: MonotonicInstant, rhs: MonotonicInstant) -> Bool { lhs.nanoseconds < rhs.nanoseconds }
}
