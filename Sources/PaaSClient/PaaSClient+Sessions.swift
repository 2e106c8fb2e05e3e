// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1
public import PaaSModel

/// Commands beside an app.
extension PaaSClient {
    /// Where a command runs.
    public enum SessionPlace: String, Sendable {
        /// In a running instance.
        case exec
        /// In a fresh sandbox of the app's release.
        case run
    }

    /// Begins a command. What is sent and what is answered go on at the same time.
    ///
    /// - Parameters:
    ///   - app: name or id.
    ///   - place: in a running instance, or in a sandbox of its own.
    ///   - frames: the first one is of kind `open`. The command is ended when they end before it does.
    /// - Throws: `ClientError.problem` with 404 (no such app), 409 (nothing runs), 422, 429, 503.
    public func session(
        _ app: String, _ place: SessionPlace, _ frames: some AsyncSequence<SessionFrame, Never> & Sendable
    ) async throws -> SessionFrames {
        var call = Call(method: .POST, target: "\(Self.path(app))/\(place.rawValue)")
        call.accept = SessionRequest.mediaType
        call.contentType = SessionRequest.mediaType
        let buffers = FrameBuffers(frames: frames)
        let response = try await send(call, body: .stream(buffers, length: .unknown))
        return SessionFrames(body: response.body, endpoint: endpoint)
    }
}

/// Frames as they are sent.
private struct FrameBuffers<Frames: AsyncSequence<SessionFrame, Never> & Sendable>: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let frames: Frames

    struct AsyncIterator: AsyncIteratorProtocol {
        var frames: Frames.AsyncIterator

        mutating func next() async throws -> ByteBuffer? {
            try await frames.next().map { ByteBuffer(bytes: $0.bytes) }
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(frames: frames.makeAsyncIterator()) }
}

/// What a command answers.
public struct SessionFrames: AsyncSequence, Sendable {
    /// A frame.
    public typealias Element = SessionFrame

    let body: HTTPClientResponse.Body
    let endpoint: APIEndpoint

    /// Reads frames; throws `ClientError` when the connection breaks, or carries something else.
    public struct AsyncIterator: AsyncIteratorProtocol {
        var body: HTTPClientResponse.Body.AsyncIterator
        let endpoint: APIEndpoint
        var decoder = SessionFrameDecoder()

        /// The next frame; nil at the end.
        public mutating func next() async throws -> SessionFrame? {
            while true {
                do {
                    if let frame = try decoder.next() { return frame }
                    guard let buffer = try await body.next() else { return nil }
                    try decoder.append(buffer.readableBytesView)
                } catch let error as ValidationError {
                    throw ClientError.protocolError("\(endpoint) sent what is not a session: \(error)")
                } catch {
                    throw ClientError.transport(error, endpoint: endpoint)
                }
            }
        }
    }

    /// An iterator; there can be one.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(body: body.makeAsyncIterator(), endpoint: endpoint)
    }
}
