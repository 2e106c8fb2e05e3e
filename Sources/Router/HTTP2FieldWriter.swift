// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Writes fields of answers by HPACK (RFC 7541), with the table that every client has and no other: nothing is remembered, so a
/// client cannot make the router remember anything, and no answer tells by its length what another one held.
enum HTTP2FieldWriter {
    /// Names of answers that have a place in the table (appendix A).
    private static let places: [(name: StaticString, index: UInt8)] = [
        ("accept-ranges", 18), ("access-control-allow-origin", 20), ("age", 21), ("allow", 22), ("cache-control", 24),
        ("content-disposition", 25), ("content-encoding", 26), ("content-language", 27), ("content-length", 28),
        ("content-location", 29), ("content-range", 30), ("content-type", 31), ("date", 33), ("etag", 34),
        ("expires", 36), ("last-modified", 44), ("link", 45), ("location", 46), ("refresh", 52), ("retry-after", 53),
        ("server", 54), ("set-cookie", 55), ("strict-transport-security", 56), ("vary", 59), ("via", 60),
        ("www-authenticate", 61),
    ]

    static func writeStatus(_ status: Int, into buffer: inout ByteBuffer) {
        let index: UInt8? =
            switch status {
            case 200: 8
            case 204: 9
            case 206: 10
            case 304: 11
            case 400: 12
            case 404: 13
            case 500: 14
            default: nil
            }
        if let index { return _ = buffer.writeInteger(0x80 | index) }
        buffer.writeMultipleIntegers(UInt8(8), UInt8(3))
        for digit in [status / 100 % 10, status / 10 % 10, status % 10] { buffer.writeInteger(UInt8(48 + digit)) }
    }

    /// A field that the router says itself, by its place in the table.
    enum OwnField: UInt8 {
        case contentLength = 28
        case date = 33
    }

    static func write(_ field: OwnField, _ value: String, into buffer: inout ByteBuffer) {
        write(Int(field.rawValue), prefix: 4, into: &buffer)
        write(value.utf8.count, prefix: 7, into: &buffer)
        buffer.writeString(value)
    }

    /// The field X-Request-Id.
    static func write(_ id: RequestID, into buffer: inout ByteBuffer) {
        let name: StaticString = "x-request-id"
        buffer.writeInteger(UInt8(0))
        write(name.utf8CodeUnitCount, prefix: 7, into: &buffer)
        buffer.writeStaticString(name)
        write(RequestID.length, prefix: 7, into: &buffer)
        id.write(into: &buffer)
    }

    /// A field that is not to be remembered.
    static func write(_ field: FieldLine, _ all: UnsafeRawBufferPointer, into buffer: inout ByteBuffer) {
        writeName(field, all, into: &buffer)
        write(field.value.count, prefix: 7, into: &buffer)
        buffer.writeBytes(UnsafeRawBufferPointer(rebasing: all[field.value]))
    }

    /// The same with another value.
    static func write(
        _ field: FieldLine, _ all: UnsafeRawBufferPointer, value: [UInt8], into buffer: inout ByteBuffer
    ) {
        writeName(field, all, into: &buffer)
        write(value.count, prefix: 7, into: &buffer)
        buffer.writeBytes(value)
    }

    private static func writeName(_ field: FieldLine, _ all: UnsafeRawBufferPointer, into buffer: inout ByteBuffer) {
        if let index = index(all, field.name) {
            write(Int(index), prefix: 4, into: &buffer)
        } else {
            buffer.writeInteger(UInt8(0))
            write(field.name.count, prefix: 7, into: &buffer)
            buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: field.name.count) { target in
                for (offset, index) in field.name.enumerated() { target[offset] = ByteClass.lowercased(all[index]) }
                return field.name.count
            }
        }
    }

    private static func index(_ all: UnsafeRawBufferPointer, _ name: Range<Int>) -> UInt8? {
        let first = ByteClass.lowercased(all[name.lowerBound])
        for place in places
        where place.name.utf8CodeUnitCount == name.count && place.name.utf8Start.pointee == first
            && all[name].isCaseInsensitive(place.name)
        {
            return place.index
        }
        return nil
    }

    /// A number whose first bits share a byte with others, which are 0 here (RFC 7541 §5.1).
    private static func write(_ number: Int, prefix: Int, into buffer: inout ByteBuffer) {
        let most = 1 << prefix - 1
        guard number >= most else { return _ = buffer.writeInteger(UInt8(number)) }
        buffer.writeInteger(UInt8(most))
        var rest = number - most
        while rest >= 0x80 {
            buffer.writeInteger(UInt8(rest & 0x7F | 0x80))
            rest >>= 7
        }
        buffer.writeInteger(UInt8(rest))
    }
}
