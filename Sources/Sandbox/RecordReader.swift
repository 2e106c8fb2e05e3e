// SPDX-License-Identifier: Apache-2.0

/// Takes integers in the machine's byte order out of bytes, one after the other. The caller has checked the size.
struct RecordReader {
    private let bytes: [UInt8]
    private var offset = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The next integer; 0 past the end, which callers rule out by checking the size.
    mutating func next<Value: FixedWidthInteger>(_ type: Value.Type) -> Value {
        let size = MemoryLayout<Value>.size
        guard offset + size <= bytes.count else { return 0 }
        defer { offset += size }
        return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Value.self) }
    }
}
