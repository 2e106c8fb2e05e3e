// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// The value of X-Request-Id: 64 random bits of a loop and a count of its requests, so no other request has it.
public struct RequestID: Sendable, Hashable, CustomStringConvertible {
    let loop: UInt64
    let number: UInt64

    static let length = 24

    /// 24 hexadecimal digits.
    public var description: String {
        String(unsafeUninitializedCapacity: Self.length) { text in
            write { text.initializeElement(at: $0, to: $1) }
            return Self.length
        }
    }

    /// Appends the digits.
    public func append(to text: inout [UInt8]) {
        write { text.append($1) }
    }

    /// Writes the digits.
    func write(into buffer: inout ByteBuffer) {
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: Self.length) { bytes in
            write { bytes[$0] = $1 }
            return Self.length
        }
    }

    private func write(_ put: (Int, UInt8) -> Void) {
        for index in 0..<16 { put(index, Self.hexDigit(loop >> UInt64(60 - 4 * index))) }
        for index in 0..<8 { put(16 + index, Self.hexDigit(number >> UInt64(28 - 4 * index))) }
    }

    private static func hexDigit(_ value: UInt64) -> UInt8 {
        let digit = UInt8(value & 0xF)
        return digit < 10 ? 0x30 + digit : 0x57 + digit
    }
}
