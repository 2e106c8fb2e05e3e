// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem
public import PaaSModel

/// How much one app may print. A token bucket that holds the bytes of one second. Pure.
struct FloodControl {
    /// What happens beyond the rate.
    let policy: LogFlood
    /// Bytes a second; nil is no limit.
    let rate: Int64?
    private var tokens: Double
    private var last: MonotonicInstant?

    init(policy: LogFlood = .block, rate: Int64? = nil) {
        self.policy = policy
        self.rate = rate ?? (policy == .drop ? Defaults.logDropRate : nil)
        tokens = Double(self.rate ?? 0)
    }

    /// Time has passed.
    mutating func refill(at now: MonotonicInstant) {
        guard let rate else { return }
        if let last { tokens = min(Double(rate), tokens + last.duration(to: now).inSeconds * Double(rate)) }
        last = now
    }

    /// Takes the bytes of a record. False when it is to be dropped.
    mutating func take(_ bytes: Int) -> Bool {
        guard rate != nil else { return true }
        if policy == .drop, tokens < Double(bytes) { return false }
        tokens -= Double(bytes)
        return true
    }

    /// How long nothing should be read from the app; zero when it may print.
    var pause: Duration {
        guard policy == .block, let rate, tokens < 0 else { return .zero }
        // A little more than is owed, so that a trickle is not read byte by byte.
        return .seconds((-tokens + min(Double(rate) / 20, 65_536)) / Double(rate))
    }
}

/// How the output of an app is kept.
public struct LogRules: Hashable, Sendable {
    /// How much of it.
    public var retention: LogRetention
    /// What happens when the app prints too fast.
    public var flood: LogFlood
    /// Bytes a second that it may print.
    public var rate: Int64?
    /// How segments are stored to which nothing is added any more.
    public var compression: LogCompression

    /// Rules; nil is the default.
    public init(
        sizeBytes: Int64? = nil, keepSeconds: Double? = nil, flood: LogFlood? = nil, rate: Int64? = nil,
        compression: LogCompression? = nil
    ) {
        retention =
            sizeBytes.map { LogRetention(maxBytes: $0, keepSeconds: keepSeconds) }
            ?? LogRetention(keepSeconds: keepSeconds)
        self.flood = flood ?? .block
        self.rate = rate
        self.compression = compression ?? .none
    }
}
