// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// What one block of a segment holds, so that a reader can pass over it unread: 32 bytes in the segment's index file.
///
/// A block is at most ``SegmentFile/blockBytes`` of whole records, and begins where the one before it ends. Little-endian:
/// end (8), time of the last record in microseconds (8), records of stdout, stderr and system (2 each), a check (2),
/// lowest and highest release (4 each).
struct IndexEntry: Hashable {
    static let byteCount = 32

    /// Offset behind the block.
    var end: Int64
    /// Time of its last record; records in front of the block are not later than any in it.
    var lastTime: Timestamp
    /// Records of each stream.
    var stdout = 0
    var stderr = 0
    var system = 0
    /// Numbers of releases between which all of the block lie.
    var lowestRelease = UInt32.max
    var highestRelease: UInt32 = 0

    /// A block without a record, which begins at an offset.
    init(from offset: Int64, after time: Timestamp) {
        end = offset
        lastTime = time
    }

    /// Reads an entry; nil when it was not written whole.
    init?(_ bytes: UnsafeRawBufferPointer) {
        func number<Number: FixedWidthInteger>(_ offset: Int, _: Number.Type) -> Number {
            Number(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Number.self))
        }
        guard bytes.count >= Self.byteCount else { return nil }
        end = number(0, Int64.self)
        lastTime = Timestamp(microseconds: number(8, Int64.self))
        stdout = Int(number(16, UInt16.self))
        stderr = Int(number(18, UInt16.self))
        system = Int(number(20, UInt16.self))
        lowestRelease = number(24, UInt32.self)
        highestRelease = number(28, UInt32.self)
        guard number(22, UInt16.self) == check else { return nil }
    }

    /// The entry as it stands in the file.
    func append(to bytes: inout [UInt8]) {
        func add(_ number: some FixedWidthInteger) {
            withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
        }
        add(end)
        add(lastTime.microseconds)
        for count in [stdout, stderr, system] { add(UInt16(clamping: count)) }
        add(check)
        add(lowestRelease)
        add(highestRelease)
    }

    /// Of the rest of the entry; never that of 32 zero bytes, which a power failure may leave.
    private var check: UInt16 {
        var sum = UInt64(bitPattern: end) &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(bitPattern: lastTime.microseconds)
        sum = sum &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(stdout) ^ UInt64(stderr) << 16 ^ UInt64(system) << 32
        sum = sum &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(lowestRelease) ^ UInt64(highestRelease) << 32
        return UInt16(truncatingIfNeeded: (sum &* 0x9E37_79B9_7F4A_7C15) >> 48) ^ 0x5A17
    }

    /// Counts a record.
    ///
    /// - Parameter release: see ``releaseNumber(_:)``.
    mutating func add(_ stream: LogLine.Stream, release: UInt32?) {
        switch stream {
        // A log has either an app's lines or requests.
        case .stdout, .access: stdout += 1
        case .stderr: stderr += 1
        case .system: system += 1
        }
        lowestRelease = min(lowestRelease, release ?? 0)
        highestRelease = max(highestRelease, release ?? .max)
    }

    /// Records of a stream, or of all.
    func count(_ stream: LogLine.Stream?) -> Int {
        switch stream {
        case .stdout, .access: stdout
        case .stderr: stderr
        case .system: system
        case nil: stdout + stderr + system
        }
    }

    /// 12 of `v12`; nil for a release that is named otherwise.
    static func releaseNumber(_ name: some Collection<UInt8>) -> UInt32? {
        guard name.first == UInt8(ascii: "v"), (2...10).contains(name.count) else { return nil }
        var number: UInt32 = 0
        for digit in name.dropFirst() {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            number = number * 10 + UInt32(digit & 0x0F)
        }
        return number
    }
}
