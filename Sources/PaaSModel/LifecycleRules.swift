// SPDX-License-Identifier: Apache-2.0

/// How instances are started, watched, restarted and stopped, and how their output is kept. What is nil is the node's
/// default.
public struct LifecycleRules: Codable, Hashable, Sendable {
    /// Exit codes that count as success, 0 to 255; nil: 0 alone.
    public var successExitCodes: [Int]?
    /// Exit codes after which an instance is not started again, whatever the restart policy; 0 to 255.
    public var noRestartExitCodes: [Int]?
    /// Seconds that a run has to become ready, 0.1 to 3,600.
    public var startTimeoutSeconds: Double?
    /// Seconds of the first pause before a restart; it doubles from failure to failure. 0.01 to 3,600.
    public var backoffSeconds: Double?
    /// Seconds of the longest pause before a restart, 0.01 to 86,400.
    public var backoffMaxSeconds: Double?
    /// Seconds after which a ready run counts as healthy, and the pauses begin anew; 0 to 86,400.
    public var healthyAfterSeconds: Double?
    /// Seconds for requests in flight when an instance leaves the route table, 0 to 3,600.
    public var drainSeconds: Double?
    /// Seconds between two checks of the health path of a running instance, 0.1 to 3,600.
    public var healthIntervalSeconds: Double?
    /// Seconds that the health path may take to answer, 0.1 to 600.
    public var healthTimeoutSeconds: Double?
    /// Checks in a row that must fail before an instance counts as unhealthy, 1 to 100.
    public var healthFailures: Int?
    /// Bytes of the app's log on its node, 1 MiB to 1 TiB; beyond them the oldest lines go.
    public var logSizeBytes: Int64?
    /// Seconds after which a line of the log goes, give or take a tenth, 60 to ten years; nil: never.
    public var logKeepSeconds: Double?
    /// What happens when the app prints faster than its lines are stored.
    public var logFlood: LogFlood?
    /// Bytes a second that the app may print, 4 KiB to 1 TiB, the heads of the lines included; nil: as much as the node can
    /// store, with ``LogFlood/drop`` 4 MiB.
    public var logRateBytesPerSecond: Int64?
    /// How the parts of the log are stored to which nothing is added any more; nil: as they were written.
    public var logCompression: LogCompression?
    /// Where its lines are sent to, beside being kept; see ``LogDrainAddress``.
    public var logDrain: String?

    /// All defaults.
    public init() {}

    /// Everything is the node's default.
    public var isEmpty: Bool { self == LifecycleRules() }
}

extension LifecycleRules {
    /// One rule: its name on the wire, its name in flags and files, and how it is read, checked and changed.
    public struct Field: Sendable {
        /// What a rule's value is.
        public enum Kind: Hashable, Sendable {
            /// Exit codes.
            case codes
            /// Seconds, written as a duration; the range that is allowed.
            case seconds(ClosedRange<Double>)
            /// A number; the range that is allowed.
            case count(ClosedRange<Int>)
            /// Bytes, written as a size; the range that is allowed.
            case bytes(ClosedRange<Int64>)
            /// One of these.
            case word([String])
            /// The address of a collector; see ``LogDrainAddress``.
            case drain
        }

        /// A value of any kind.
        public enum Value: Hashable, Sendable {
            case codes([Int])
            case seconds(Double)
            case count(Int)
            case bytes(Int64)
            case word(String)
            case drain(LogDrainAddress)
        }

        /// `startTimeoutSeconds`.
        public let name: String
        /// `start-timeout`.
        public let option: String
        /// What it takes.
        public let kind: Kind
        private let read: @Sendable (LifecycleRules) -> Value?
        private let write: @Sendable (inout LifecycleRules, Value?) -> Void

        fileprivate init(
            _ name: String, _ option: String, _ path: any WritableKeyPath<LifecycleRules, [Int]?> & Sendable
        ) {
            (self.name, self.option, self.kind) = (name, option, .codes)
            read = { $0[keyPath: path].map(Value.codes) }
            write = { rules, value in
                if case .codes(let codes)? = value { rules[keyPath: path] = codes } else { rules[keyPath: path] = nil }
            }
        }

        fileprivate init(
            _ name: String, _ option: String, _ range: ClosedRange<Double>,
            _ path: any WritableKeyPath<LifecycleRules, Double?> & Sendable
        ) {
            (self.name, self.option, self.kind) = (name, option, .seconds(range))
            read = { $0[keyPath: path].map(Value.seconds) }
            write = { rules, value in
                if case .seconds(let value)? = value {
                    rules[keyPath: path] = value
                } else {
                    rules[keyPath: path] = nil
                }
            }
        }

        fileprivate init(
            _ name: String, _ option: String, _ range: ClosedRange<Int>,
            _ path: any WritableKeyPath<LifecycleRules, Int?> & Sendable
        ) {
            (self.name, self.option, self.kind) = (name, option, .count(range))
            read = { $0[keyPath: path].map(Value.count) }
            write = { rules, value in
                if case .count(let value)? = value { rules[keyPath: path] = value } else { rules[keyPath: path] = nil }
            }
        }

        fileprivate init(
            _ name: String, _ option: String, _ range: ClosedRange<Int64>,
            _ path: any WritableKeyPath<LifecycleRules, Int64?> & Sendable
        ) {
            (self.name, self.option, self.kind) = (name, option, .bytes(range))
            read = { $0[keyPath: path].map(Value.bytes) }
            write = { rules, value in
                if case .bytes(let value)? = value { rules[keyPath: path] = value } else { rules[keyPath: path] = nil }
            }
        }

        fileprivate init(
            _ name: String, _ option: String, words: [String],
            read: @escaping @Sendable (LifecycleRules) -> String?,
            write: @escaping @Sendable (inout LifecycleRules, String?) -> Void
        ) {
            (self.name, self.option, self.kind) = (name, option, .word(words))
            self.read = { read($0).map(Value.word) }
            self.write = { rules, value in
                if case .word(let word)? = value { write(&rules, word) } else { write(&rules, nil) }
            }
        }

        fileprivate init(
            drain name: String, _ option: String, _ path: any WritableKeyPath<LifecycleRules, String?> & Sendable
        ) {
            (self.name, self.option, self.kind) = (name, option, .drain)
            read = { $0[keyPath: path].flatMap { LogDrainAddress($0) }.map(Value.drain) }
            write = { rules, value in
                if case .drain(let address)? = value {
                    rules[keyPath: path] = address.description
                } else {
                    rules[keyPath: path] = nil
                }
            }
        }

        /// The rule's value; nil for the default.
        public func value(in rules: LifecycleRules) -> Value? { read(rules) }

        /// Sets the rule, or with nil takes it back to the default.
        public func set(_ value: Value?, in rules: inout LifecycleRules) { write(&rules, value) }

        /// - Throws: `ValidationError` for `lifecycle.<name>`.
        func validate(_ rules: LifecycleRules) throws {
            switch (kind, read(rules)) {
            case (.codes, .codes(let codes)?):
                guard codes.count <= 256, codes.allSatisfy((0...255).contains) else {
                    throw invalid("has something that is not an exit code from 0 to 255")
                }
            case (.seconds(let range), .seconds(let seconds)?):
                // Not a number is in no range.
                guard range.contains(seconds) else {
                    throw invalid(
                        "is not between \(Duration.seconds(range.lowerBound).shortText) and "
                            + "\(Duration.seconds(range.upperBound).shortText)")
                }
            case (.count(let range), .count(let count)?):
                guard range.contains(count) else {
                    throw invalid("is not between \(range.lowerBound) and \(range.upperBound)")
                }
            case (.bytes(let range), .bytes(let bytes)?):
                guard range.contains(bytes) else {
                    throw invalid(
                        "is not between \(ByteCount(bytes: range.lowerBound)) and \(ByteCount(bytes: range.upperBound))"
                    )
                }
            default: break
            }
        }

        private func invalid(_ message: String) -> ValidationError {
            ValidationError(field: "lifecycle.\(name)", message: message)
        }

        /// Reads what a person writes: `0,3`, `90s`, `3`.
        ///
        /// - Throws: `ValidationError` that says what to write.
        public func parse(_ text: String) throws -> Value {
            switch kind {
            case .codes:
                let codes = text.split(separator: ",", omittingEmptySubsequences: false).map { part in
                    Int(part.filter { $0 != " " })
                }
                guard !codes.contains(nil) else { throw invalid("is not a list of exit codes such as 0,3") }
                return .codes(codes.compactMap { $0 })
            case .seconds:
                guard let duration = Duration(text: text) else {
                    throw invalid("is not a duration such as 500ms, 30s or 5m")
                }
                return .seconds(duration.inSeconds)
            case .count:
                guard let count = Int(text) else { throw invalid("is not a number") }
                return .count(count)
            case .bytes:
                guard let count = ByteCount(text) else { throw invalid("is not a size such as 512K or 64M") }
                return .bytes(count.bytes)
            case .drain:
                guard let address = LogDrainAddress(text) else {
                    throw invalid(
                        "is not none, syslog+tcp://HOST:PORT, syslog+udp://HOST:PORT, syslog+unix:///PATH, or a URL of http"
                    )
                }
                return .drain(address)
            case .word(let words):
                guard words.contains(text) else { throw invalid("is not one of \(words.joined(separator: ", "))") }
                return .word(text)
            }
        }
    }

    /// Every rule.
    public static let fields: [Field] = [
        Field("successExitCodes", "success-exit-codes", \.successExitCodes),
        Field("noRestartExitCodes", "no-restart-exit-codes", \.noRestartExitCodes),
        Field("startTimeoutSeconds", "start-timeout", 0.1...3_600, \.startTimeoutSeconds),
        Field("backoffSeconds", "backoff", 0.01...3_600, \.backoffSeconds),
        Field("backoffMaxSeconds", "backoff-max", 0.01...86_400, \.backoffMaxSeconds),
        Field("healthyAfterSeconds", "healthy-after", 0...86_400, \.healthyAfterSeconds),
        Field("drainSeconds", "drain", 0...3_600, \.drainSeconds),
        Field("healthIntervalSeconds", "health-interval", 0.1...3_600, \.healthIntervalSeconds),
        Field("healthTimeoutSeconds", "health-timeout", 0.1...600, \.healthTimeoutSeconds),
        Field("healthFailures", "health-failures", 1...100, \.healthFailures),
        Field("logSizeBytes", "log-size", 1 << 20...1 << 40, \.logSizeBytes),
        Field("logKeepSeconds", "log-keep", 60...315_360_000, \.logKeepSeconds),
        Field(
            "logFlood", "log-flood", words: LogFlood.allCases.map(\.rawValue), read: { $0.logFlood?.rawValue },
            write: { rules, word in rules.logFlood = word.flatMap { LogFlood(rawValue: $0) } }),
        Field("logRateBytesPerSecond", "log-rate", 4_096...1 << 40, \.logRateBytesPerSecond),
        Field(
            "logCompression", "log-compression", words: LogCompression.allCases.map(\.rawValue),
            read: { $0.logCompression?.rawValue },
            write: { rules, word in rules.logCompression = word.flatMap { LogCompression(rawValue: $0) } }),
        Field(drain: "logDrain", "log-drain", \.logDrain),
    ]

    /// Checks every rule.
    ///
    /// - Throws: `ValidationError` for `lifecycle.<name>`.
    public func validate() throws {
        for field in Self.fields { try field.validate(self) }
        if let logDrain { _ = try Self.fields.first { $0.kind == .drain }?.parse(logDrain) }
    }

    /// These rules with those of another that are set.
    public func merged(with other: LifecycleRules) -> LifecycleRules {
        var merged = self
        for field in Self.fields {
            if let value = field.value(in: other) { field.set(value, in: &merged) }
        }
        return merged
    }
}
