// SPDX-License-Identifier: Apache-2.0

extension Limits {
    /// One limit, for everything that goes through all of them: validation, merging, patches, options, display.
    public struct Field: Sendable {
        /// What kind of number it is.
        public enum Unit: Sendable {
            /// A size, `256M`.
            case bytes
            /// Bytes a second, `10M`.
            case bytesPerSecond
            /// Cores, `0.5`.
            case cores
            /// A whole number.
            case count
        }

        /// The key in JSON, `memoryHighBytes`.
        public let name: String
        /// The option of `paas deploy` without its dashes, which is also the key in `[limits]` of `paas.toml`.
        public let option: String
        /// What kind of number it is.
        public let unit: Unit
        /// What it may be, both ends included; whole numbers unless it is cores.
        public let bounds: ClosedRange<Double>
        let validate: @Sendable (Limits) throws -> Void
        let merge: @Sendable (inout Limits, Limits) -> Void
        /// Takes the limit away.
        public let clear: @Sendable (inout Limits) -> Void
        /// The limit as text, `256M`; nil when it is not set.
        public let text: @Sendable (Limits) -> String?
    }

    /// Every limit, in the order in which they are shown.
    public static var fields: [Field] { table }

    private static let table: [Field] = [
        field("memoryBytes", "memory", .bytes, \.memoryBytes, mebibyte, "is not between 1 MiB and 1 PiB"),
        field("memoryHighBytes", "memory-high", .bytes, \.memoryHighBytes, mebibyte, "is not between 1 MiB and 1 PiB"),
        field("cpu", "cpu", .cores, \.cpu, 0.01...1024, "is not between 0.01 and 1024 cores"),
        field("cpuBurst", "cpu-burst", .cores, \.cpuBurst, 0.01...1024, "is not between 0.01 and 1024 cores"),
        field("cpuWeight", "cpu-weight", .count, \.cpuWeight, 1...10_000, "is not between 1 and 10000"),
        field("pids", "pids", .count, \.pids, 1...4_194_304, "is not between 1 and 4194304"),
        field("ioWeight", "io-weight", .count, \.ioWeight, 1...10_000, "is not between 1 and 10000"),
        field(
            "ioReadBytesPerSecond", "io-read-bps", .bytesPerSecond, \.ioReadBytesPerSecond, page,
            "is not between 4 KiB and 1 PiB"),
        field(
            "ioWriteBytesPerSecond", "io-write-bps", .bytesPerSecond, \.ioWriteBytesPerSecond, page,
            "is not between 4 KiB and 1 PiB"),
        field(
            "ioReadsPerSecond", "io-read-iops", .count, \.ioReadsPerSecond, requests, "is not between 1 and 1000000000"),
        field(
            "ioWritesPerSecond", "io-write-iops", .count, \.ioWritesPerSecond, requests,
            "is not between 1 and 1000000000"),
        field("diskBytes", "disk", .bytes, \.diskBytes, disk, "is not between 4 MiB and 1 PiB"),
    ]

    /// A pebibyte is more than any machine has, and still a whole number in every JSON reader.
    private static let mebibyte: ClosedRange<Int64> = 1 << 20...1 << 50
    /// An ext4 file system with a journal needs a few.
    private static let disk: ClosedRange<Int64> = 4 << 20...1 << 50
    private static let page: ClosedRange<Int64> = 4_096...1 << 50
    private static let requests = 1...1_000_000_000

    private static func field<Value: LimitValue>(
        _ name: String, _ option: String, _ unit: Field.Unit,
        _ path: WritableKeyPath<Limits, Value?> & Sendable, _ range: ClosedRange<Value>, _ complaint: String
    ) -> Field {
        Field(
            name: name, option: option, unit: unit, bounds: range.lowerBound.asDouble...range.upperBound.asDouble,
            validate: { limits in
                guard let value = limits[keyPath: path], !range.contains(value) else { return }
                throw ValidationError(field: "limits.\(name)", message: complaint)
            },
            merge: { limits, other in limits[keyPath: path] = other[keyPath: path] ?? limits[keyPath: path] },
            clear: { limits in limits[keyPath: path] = nil },
            text: { limits in
                guard let value = limits[keyPath: path] else { return nil }
                switch (unit, value) {
                case (.bytes, let bytes as Int64): return "\(ByteCount(bytes: bytes))"
                case (.bytesPerSecond, let bytes as Int64): return "\(ByteCount(bytes: bytes))/s"
                default: return "\(value)"
                }
            })
    }

    /// `memory 256M, cpu 0.5`; nil when no limit is set.
    public var text: String? {
        let parts = Self.fields.compactMap { field in field.text(self).map { "\(field.option) \($0)" } }
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }

    /// What became of each limit from an earlier set to this one, `memory 64M to 128M, pids none to 32`.
    public func changes(from old: Limits) -> String {
        Self.fields.compactMap { field in
            let (before, after) = (field.text(old) ?? "none", field.text(self) ?? "none")
            return before == after ? nil : "\(field.option) \(before) to \(after)"
        }.joined(separator: ", ")
    }
}

/// The numbers that limits are.
private protocol LimitValue: Comparable, Sendable {
    var asDouble: Double { get }
}

extension Int: LimitValue { fileprivate var asDouble: Double { Double(self) } }
extension Int64: LimitValue { fileprivate var asDouble: Double { Double(self) } }
extension Double: LimitValue { fileprivate var asDouble: Double { self } }
