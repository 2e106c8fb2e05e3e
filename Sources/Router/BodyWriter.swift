// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Frames a body for the next hop.
struct BodyWriter {
    /// Chunked framing; otherwise bytes go as they are.
    let isChunked: Bool

    /// Writes content.
    func writeData(_ data: ByteBuffer, write: (ByteBuffer) -> Void) {
        guard isChunked else { return write(data) }
        var size = ByteBuffer()
        size.writeString(String(data.readableBytes, radix: 16))
        size.writeStaticString("\r\n")
        write(size)
        write(data)
        write(ByteBuffer(staticString: "\r\n"))
    }

    /// Writes the end, with those trailer fields that may travel on: none that belongs into a head or to one hop.
    func writeEnd(_ trailers: Trailers?, dropping options: ConnectionOptions, write: (ByteBuffer) -> Void) {
        guard isChunked else { return }
        var end = ByteBuffer()
        end.writeStaticString("0\r\n")
        if let trailers {
            trailers.bytes.withUnsafeReadableBytes { all in
                for field in trailers.fields
                where TrailerField.mayPass(field, all) && !options.names(all[field.name]) {
                    end.writeField(field, all)
                }
            }
        }
        end.writeStaticString("\r\n")
        write(end)
    }
}
