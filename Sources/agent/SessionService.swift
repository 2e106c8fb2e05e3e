// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import Hummingbird
import LinuxSystem
import NIOCore
import NIOPosix
import PaaSModel
import ServiceLifecycle
import Supervision
import Synchronization

/// Carries commands that people run beside apps: frames of a request's body to the command, and what it writes to the body
/// of the answer. All of it happens on NIO's event loops; the supervisor only starts, signals and reaps.
struct SessionService: Sendable {
    let supervisor: Supervisor
    let eventLoopGroup: any EventLoopGroup

    /// Answers a request whose body begins with a ``SessionOrder``.
    ///
    /// - Throws: `HTTPError` 400 when it does not. Whatever is wrong later is the session's last frame.
    func serve(_ request: Request) async throws -> Response {
        let frames = IncomingFrames(request.body)
        guard let first = try? await frames.next(), first.kind == .open,
            let order = try? JSONDecoder().decode(SessionOrder.self, from: Data(first.payload))
        else { throw HTTPError(.badRequest, message: "the body does not begin with a session's order") }
        let body = ResponseBody { bodyWriter in
            let writer = FrameWriter(bodyWriter)
            do {
                try await run(order, frames, writer)
            } catch let error as CannotStart {
                try await writer.write(
                    .ended, json: SessionEnd.failure("the command cannot be started: \(error.cause)"))
            }
            try await writer.finish()
        }
        return Response(
            status: .ok, headers: [.contentType: SessionRequest.mediaType, .connection: "close"], body: body)
    }

    private struct CannotStart: Error {
        let cause: any Error
    }

    private func run(_ order: SessionOrder, _ frames: IncomingFrames, _ writer: FrameWriter) async throws {
        let session: CommandSession
        do { session = try await supervisor.openSession(order) } catch { throw CannotStart(cause: error) }
        let streams: SessionStreams
        do {
            streams = try await SessionStreams(session, eventLoop: eventLoopGroup.next())
        } catch {
            await supervisor.kill(session)
            _ = await supervisor.end(of: session)
            throw CannotStart(cause: error)
        }
        await withGracefulShutdownHandler {
            await carry(session, streams, frames, writer)
        } onGracefulShutdown: {
            // Nobody carries its input and output any longer.
            Task { await supervisor.kill(session) }
        }
    }

    private func carry(
        _ session: CommandSession, _ streams: SessionStreams, _ frames: IncomingFrames, _ writer: FrameWriter
    ) async {
        try? await writer.write(.started, json: session.start)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await feed(session, streams, frames) }
            for source in streams.sources {
                group.addTask {
                    // A client that has gone cannot be written to; that the command is to end, its frames tell.
                    await source.forEach { try? await writer.write(source.kind, $0) }
                }
            }
            let end = await supervisor.end(of: session)
            await streams.commandEnded()
            for source in streams.sources { await source.finished() }
            streams.close()
            // The client ends its frames when it has this one, and the group waits for that: to stop reading before could
            // cost the connection, and the frame with it.
            try? await writer.write(.ended, json: end)
        }
    }

    /// Passes on what comes from the client. The end of its frames before that of the command means that it is gone.
    private func feed(_ session: CommandSession, _ streams: SessionStreams, _ frames: IncomingFrames) async {
        while let frame = try? await frames.next() {
            switch frame.kind {
            case .input: await streams.write(frame.payload)
            case .inputEnd: streams.endInput()
            case .resize:
                guard let size = try? JSONDecoder().decode(TerminalSize.self, from: Data(frame.payload)) else {
                    continue
                }
                streams.resize(size)
            case .signal:
                if let number = frame.payload.first { await supervisor.signal(session, Int32(number)) }
            default: break
            }
        }
        await supervisor.hangUp(session)
    }
}

/// Frames of a request's body.
private final class IncomingFrames: Sendable {
    private struct State: @unchecked Sendable {
        // Safe: only one task at a time asks for frames, and takes the state out while it does.
        var iterator: RequestBody.AsyncIterator
        var decoder = SessionFrameDecoder()
    }

    private let state: Mutex<State?>

    init(_ body: RequestBody) { state = Mutex(State(iterator: body.makeAsyncIterator())) }

    /// The next frame; nil at the end of the body.
    ///
    /// - Throws: what the connection throws, or `ValidationError`.
    func next() async throws -> SessionFrame? {
        guard var taken = state.withLock({ $0.take() }) else { return nil }
        defer {
            let present = taken
            state.withLock { $0 = present }
        }
        while true {
            if let frame = try taken.decoder.next() { return frame }
            guard let buffer = try await taken.iterator.next() else { return nil }
            try taken.decoder.append(buffer.readableBytesView)
        }
    }
}

/// Writes frames; each goes out in one piece, whichever task writes it.
private struct FrameWriter: @unchecked Sendable {
    // Safe: the writer below is NIO's, which any task may use; a frame is one buffer.
    private let writer: any ResponseBodyWriter

    init(_ writer: any ResponseBodyWriter) { self.writer = writer }

    func write(_ kind: SessionFrame.Kind, _ payload: [UInt8]) async throws {
        var writer = writer
        try await writer.write(ByteBuffer(bytes: SessionFrame(kind, payload).bytes))
    }

    func write(_ kind: SessionFrame.Kind, json value: some Encodable) async throws {
        try await write(kind, Array(try JSONEncoder().encode(value)))
    }

    func finish() async throws {
        let writer = writer
        try await writer.finish(nil)
    }
}
