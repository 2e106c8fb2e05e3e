// SPDX-License-Identifier: Apache-2.0

/// How long a server still waits for a client in the middle of its body: waiting uses it up, content earns it back.
///
/// So neither silence lasts longer than the full measure, nor a trickle that would end every silence with a byte: it must
/// earn as much as it takes. The time in which nobody wants more is not the client's.
///
/// Times are nanoseconds on a clock that does not jump.
public struct BodyPatience: Sendable {
    private let full: Int64
    private let bytesPerSecond: Int
    private var left: Int64
    private var waitingSince: UInt64?

    /// Patience that nothing has been taken from.
    ///
    /// - Parameters:
    ///   - full: longest wait; at most 200 years.
    ///   - bytesPerSecond: content that earns a second; 0 when any earns the full measure.
    public init(_ full: Duration, bytesPerSecond: Int) {
        let (seconds, attoseconds) = full.components
        self.full = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
        self.bytesPerSecond = bytesPerSecond
        left = self.full
    }

    /// The client's turn begins or goes on. Returns how long it may be silent.
    public mutating func wait(at now: UInt64) -> Duration {
        settle(now)
        waitingSince = now
        return .nanoseconds(max(0, left))
    }

    /// The client is not waited for.
    public mutating func pause(at now: UInt64) {
        settle(now)
        waitingSince = nil
    }

    /// Content has come.
    public mutating func earn(_ bytes: Int, at now: UInt64) {
        settle(now)
        guard bytesPerSecond > 0 else { return left = full }
        let (earned, isBeyond) = Int64(bytes).multipliedReportingOverflow(by: 1_000_000_000)
        left = isBeyond ? full : min(full, left + earned / Int64(bytesPerSecond))
    }

    private mutating func settle(_ now: UInt64) {
        guard let since = waitingSince else { return }
        left -= Int64(now - since)
        waitingSince = now
    }
}
