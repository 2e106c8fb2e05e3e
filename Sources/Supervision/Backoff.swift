// SPDX-License-Identifier: Apache-2.0

public import PaaSModel

/// The pause before a restart: nothing after the first failure of a healthy run, then one second, doubling up to a
/// cap, with a jitter of a tenth so that apps that fell together do not rise together.
public struct Backoff: Hashable, Sendable {
    /// The first pause.
    public var base: Duration
    /// The longest pause, before jitter.
    public var cap: Duration

    /// The contract's back-off: 1 s doubling to 60 s.
    public init(base: Duration = Defaults.backoffBase, cap: Duration = Defaults.backoffCap) {
        self.base = base
        self.cap = cap
    }

    /// The pause before the next start.
    ///
    /// - Parameters:
    ///   - failures: failed runs in a row, this one included; at least 1.
    ///   - wasReady: the run that just ended had become ready.
    ///   - jitter: a random number in 0..<1; 0.5 leaves the pause as it is.
    public func delay(failures: Int, wasReady: Bool, jitter: Double) -> Duration {
        if failures <= 1 && wasReady { return .zero }
        // A run that was ready got its first restart for nothing, so its doubling starts one failure later.
        let doublings = max(0, min(failures - (wasReady ? 2 : 1), 30))
        let pause = min(base * (1 << doublings), cap)
        return pause * (0.9 + 0.2 * jitter)
    }
}
