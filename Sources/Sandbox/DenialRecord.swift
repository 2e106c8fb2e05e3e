// SPDX-License-Identifier: Apache-2.0

/// How often the filter has denied one system call of a run so far, as `paas-init` tells it.
public struct DenialRecord: Hashable, Sendable {
    /// The call's number on this machine, 0 to 1,023; nil: the denials of the run cannot be seen.
    public let call: Int32?
    /// How often since the start of the run; 0 without a number.
    public let count: Int64

    /// Size of one record in bytes.
    public static let byteCount = 16
    private static let magic: UInt32 = 0x4E44_5050
    private static let unseen = UInt32.max

    /// Creates a record.
    public init(call: Int32?, count: Int64) {
        self.call = call
        self.count = count
    }

    /// Reads the records at the head of a pipe, where writes are whole; what is none is passed over.
    public static func records(in bytes: [UInt8]) -> [DenialRecord] {
        var reader = RecordReader(bytes)
        return (0..<bytes.count / byteCount).compactMap { _ in
            let magic = reader.next(UInt32.self)
            let call = reader.next(UInt32.self)
            let count = reader.next(UInt64.self)
            guard magic == Self.magic else { return nil }
            if call == unseen { return DenialRecord(call: nil, count: 0) }
            guard call < 1_024, let count = Int64(exactly: count), count > 0 else { return nil }
            return DenialRecord(call: Int32(call), count: count)
        }
    }
}
