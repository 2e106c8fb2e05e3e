// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Chunked bodies: what is written is read again, and what is read does not depend on how it comes.
enum ChunkFuzzing {
    static func run(_ bytes: [UInt8], _ cuts: Cuts) {
        var written = ByteBuffer()
        let writer = BodyWriter(isChunked: true)
        for piece in cuts.pieces(of: bytes) { writer.writeData(piece) { written.writeImmutableBuffer($0) } }
        writer.writeEnd(nil, dropping: ConnectionOptions()) { written.writeImmutableBuffer($0) }
        for pieces in [[written], cuts.pieces(of: written.bytes)] {
            let reading = Reading(pieces)
            require(
                reading.body == bytes && reading.isComplete && reading.left == 0,
                "wrote \(written.text), read \(reading)")
        }

        let whole = Reading([ByteBuffer(bytes: bytes)])
        for pieces in [cuts.pieces(of: bytes), Cuts.everyByte.pieces(of: bytes)] {
            let cut = Reading(pieces)
            require(cut == whole, "in pieces \(cut), in one \(whole)")
        }
    }

    private struct Reading: Equatable {
        var body: [UInt8] = []
        var trailers: [[UInt8]] = []
        var isComplete = false
        var left = 0
        var error: FramingError?

        init(_ pieces: [ByteBuffer]) {
            var reader = BodyReader(.chunked)
            var input = ByteBuffer()
            do throws(FramingError) {
                for piece in pieces {
                    if input.readableBytes == 0 { input = piece } else { input.writeImmutableBuffer(piece) }
                    while let part = try reader.next(&input) {
                        switch part {
                        case .data(let data): body += data.readableBytesView
                        case .end(let section):
                            trailers = section.map { MessageReading.lines($0.fields, $0.bytes) } ?? []
                            isComplete = true
                        }
                    }
                    require(
                        isComplete || input.readableBytes <= ChunkedDecoder.maxTrailerBytes,
                        "\(input.readableBytes) bytes are kept")
                }
                left = input.readableBytes
            } catch {
                self.error = error
            }
        }
    }
}
