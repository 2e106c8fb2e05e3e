// SPDX-License-Identifier: Apache-2.0

public import LinuxSystem
public import PaaSModel

/// What begins a run that waits (struct paas_init_go): one write into a FIFO, from which nobody takes it out.
///
/// `paas-init` holds the FIFO as long as it lives. So whether a run has begun, and when, can be seen there by an agent that
/// follows the one which wrote it, at whatever moment that one died.
public struct GoMessage: Hashable, Sendable {
    /// When the run began.
    public let instant: MonotonicInstant
    /// The same on the wall clock.
    public let time: Timestamp

    /// Size in bytes.
    public static let byteCount = 24
    private static let magic: UInt32 = 0x4F47_5050

    /// The message of this moment.
    public init() {
        instant = .now
        time = .now
    }

    /// Reads a message; nil for anything that is not exactly one.
    public init?(bytes: [UInt8]) {
        var reader = RecordReader(bytes)
        guard bytes.count == Self.byteCount, reader.next(UInt32.self) == Self.magic, reader.next(UInt32.self) == 0,
            let monotonic = Int64(exactly: reader.next(UInt64.self)),
            let microseconds = Int64(exactly: reader.next(UInt64.self) / 1_000)
        else { return nil }
        instant = MonotonicInstant(nanoseconds: monotonic)
        time = Timestamp(microseconds: microseconds)
    }

    /// What is written.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.byteCount)
        func append(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) } }
        append(Self.magic)
        append(UInt32(0))
        append(UInt64(instant.nanoseconds))
        append(UInt64(time.microseconds) * 1_000)
        return bytes
    }
}
