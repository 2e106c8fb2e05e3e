// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Copies field lines that stand side by side, as the router would write them itself, in one piece.
struct FieldRun {
    private var range = 0..<0

    /// Writes a field line, now or with the next ones.
    mutating func add(_ field: FieldLine, _ all: UnsafeRawBufferPointer, into buffer: inout ByteBuffer) {
        let end = field.value.upperBound + 2
        guard field.isPlain, end <= all.count else {
            self.end(all, into: &buffer)
            return buffer.writeField(field, all)
        }
        if range.upperBound == field.name.lowerBound, !range.isEmpty {
            range = range.lowerBound..<end
        } else {
            self.end(all, into: &buffer)
            range = field.name.lowerBound..<end
        }
    }

    /// Writes what waits.
    mutating func end(_ all: UnsafeRawBufferPointer, into buffer: inout ByteBuffer) {
        if !range.isEmpty { buffer.writeBytes(all[range]) }
        range = 0..<0
    }
}
