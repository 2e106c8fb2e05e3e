// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// One thing about a router that an operator may set: how long it waits, or how much it accepts.
public struct RouterSetting: Sendable {
    private enum Kind {
        case duration(ClosedRange<Double>, any WritableKeyPath<RouterConfiguration, Duration> & Sendable)
        case size(ClosedRange<Int>, any WritableKeyPath<RouterConfiguration, Int> & Sendable)
        case count(ClosedRange<Int>, any WritableKeyPath<RouterConfiguration, Int> & Sendable)
    }

    /// `head-timeout`.
    public let name: String
    private let kind: Kind

    /// Every setting.
    public static let all: [RouterSetting] = [
        RouterSetting(name: "head-size", kind: .size(1 << 10...1 << 20, \.limits.requestHeadBytes)),
        RouterSetting(name: "head-fields", kind: .count(10...1_000, \.limits.fieldCount)),
        RouterSetting(name: "target-size", kind: .size(256...1 << 16, \.limits.targetBytes)),
        RouterSetting(name: "answer-head-size", kind: .size(1 << 10...1 << 20, \.limits.responseHeadBytes)),
        RouterSetting(name: "head-timeout", kind: .duration(0.1...600, \.headTimeout)),
        RouterSetting(name: "body-timeout", kind: .duration(0.1...3_600, \.bodyTimeout)),
        RouterSetting(name: "body-rate", kind: .size(0...1 << 30, \.bodyRate)),
        RouterSetting(name: "send-timeout", kind: .duration(0.1...3_600, \.sendTimeout)),
        RouterSetting(name: "idle-timeout", kind: .duration(0.1...3_600, \.idleTimeout)),
        RouterSetting(name: "connect-timeout", kind: .duration(0.1...60, \.connectTimeout)),
        RouterSetting(name: "first-byte-timeout", kind: .duration(0.1...3_600, \.firstByteTimeout)),
        RouterSetting(name: "ejection", kind: .duration(0...600, \.ejection)),
        RouterSetting(name: "connections", kind: .count(1...1_000_000, \.limits.connections)),
        RouterSetting(name: "connections-per-client", kind: .count(1...1_000_000, \.limits.connectionsPerAddress)),
        RouterSetting(name: "streams-per-connection", kind: .count(1...10_000, \.limits.streamsPerConnection)),
        RouterSetting(name: "requests-per-app", kind: .count(1...1_000_000, \.limits.requestsPerApp)),
    ]

    /// Sets it to what a person wrote: `32K`, `100`, `15s`.
    ///
    /// - Throws: `ValidationError` that says what to write.
    public func set(_ text: String, in configuration: inout RouterConfiguration) throws {
        switch kind {
        case .duration(let range, let path):
            guard let duration = Duration(text: text), range.contains(duration.inSeconds) else {
                throw invalid(
                    "is not a duration from \(Duration.seconds(range.lowerBound).shortText) to "
                        + "\(Duration.seconds(range.upperBound).shortText), such as 10s")
            }
            configuration[keyPath: path] = duration
        case .size(let range, let path):
            guard let size = ByteCount(text).flatMap({ Int(exactly: $0.bytes) }), range.contains(size) else {
                throw invalid(
                    "is not a size from \(ByteCount(bytes: Int64(range.lowerBound))) to "
                        + "\(ByteCount(bytes: Int64(range.upperBound))), such as 16K")
            }
            configuration[keyPath: path] = size
        case .count(let range, let path):
            guard let count = Int(text), range.contains(count) else {
                throw invalid("is not a number from \(range.lowerBound) to \(range.upperBound)")
            }
            configuration[keyPath: path] = count
        }
    }

    private func invalid(_ message: String) -> ValidationError {
        ValidationError(field: "router-limit.\(name)", message: message)
    }
}
