// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import FoundationEssentials
internal import NIOCore
internal import PaaSModel

/// A stream of JSON objects, one a line, read from the connection as fast as it is consumed and no faster.
///
/// Iterate it once. Ends when the server ends it; throws `ClientError.unreachable` when the connection is lost,
/// `ClientError.protocolError` for a line that cannot be read, `CancellationError` when the reading task is cancelled.
/// The connection closes when the iteration ends for any reason. Waiting sets no timer.
public struct NDJSONStream<Element: Decodable & Sendable>: AsyncSequence, Sendable {
    /// Longest line in bytes: 16 MiB, a snapshot of some ten thousand assignments.
    public static var maxLineBytes: Int { 16 << 20 }

    let body: HTTPClientResponse.Body
    let endpoint: APIEndpoint

    /// Begins to read.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(chunks: body.makeAsyncIterator(), endpoint: endpoint)
    }

    /// Reads line after line.
    public struct AsyncIterator: AsyncIteratorProtocol {
        private var chunks: HTTPClientResponse.Body.AsyncIterator
        private var splitter = LineSplitter(limit: NDJSONStream.maxLineBytes)
        private let endpoint: APIEndpoint
        private let decoder = JSONDecoder()
        private var ended = false

        init(chunks: HTTPClientResponse.Body.AsyncIterator, endpoint: APIEndpoint) {
            self.chunks = chunks
            self.endpoint = endpoint
        }

        /// The next object; empty lines are skipped.
        public mutating func next() async throws -> Element? {
            while !ended {
                if let line = try nextLine() {
                    if line.readableBytes > 0 { return try decode(line) }
                    continue
                }
                if let chunk = try await nextChunk() {
                    splitter.append(chunk)
                } else {
                    ended = true
                    if let rest = splitter.rest() { return try decode(rest) }
                }
            }
            return nil
        }

        /// The next objects that can be had without waiting, at least one; nil at the end.
        public mutating func nextBatch() async throws -> [Element]? {
            guard let first = try await next() else { return nil }
            var batch = [first]
            while let line = try nextLine() {
                if line.readableBytes > 0 { batch.append(try decode(line)) }
            }
            return batch
        }

        private mutating func nextLine() throws -> ByteBuffer? {
            do {
                return try splitter.next()
            } catch {
                ended = true
                throw ClientError.protocolError("\(endpoint) sent a line of more than \(error.limit >> 20) MiB")
            }
        }

        private mutating func nextChunk() async throws -> ByteBuffer? {
            do {
                return try await chunks.next()
            } catch {
                ended = true
                throw ClientError.transport(error, endpoint: endpoint)
            }
        }

        private mutating func decode(_ line: ByteBuffer) throws -> Element {
            do {
                return try decoder.decode(Element.self, from: Data(line.readableBytesView))
            } catch {
                ended = true
                // What goes wrong after a stream has begun is its last line.
                if let problem = try? decoder.decode(Problem.self, from: Data(line.readableBytesView)) {
                    throw ClientError.problem(problem)
                }
                throw ClientError.protocolError(
                    "\(endpoint) sent a line that is not \(Element.self); is its version the same as this program's?")
            }
        }
    }
}
