// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import NIOCore
import NIOPosix
import PaaSModel
import Supervision
import Synchronization

/// The agent's side of a command's terminal or pipes, on an event loop. Reading waits while the client does not take what
/// was read, and so does the command.
struct SessionStreams: Sendable {
    /// Where output comes from, one or two.
    let sources: [SessionSource]
    private let eventLoop: any NIOCore.EventLoop
    private let input: any Channel
    private let master: Shared<OwnedDescriptor>?

    /// Takes the session's streams over.
    ///
    /// - Throws: an error of NIO or of the system.
    init(_ session: CommandSession, eventLoop: any NIOCore.EventLoop) async throws {
        self.eventLoop = eventLoop
        switch session.takeStreams() {
        case .terminal(let terminal):
            let source = SessionSource(.output, probe: terminal)
            let number = try terminal.value.duplicate().relinquish()
            input = try await Self.bootstrap(eventLoop, source)
                .takingOwnershipOfDescriptor(inputOutput: number).get()
            master = terminal
            sources = [source]
        case .pipes(let into, let output, let errors):
            let outSource = SessionSource(.output, probe: output)
            let errorSource = SessionSource(.errors, probe: errors)
            input = try await NIOPipeBootstrap(group: eventLoop)
                .takingOwnershipOfDescriptor(output: try into.value.duplicate().relinquish()).get()
            for (source, descriptor) in [(outSource, output), (errorSource, errors)] {
                _ = try await Self.bootstrap(eventLoop, source)
                    .takingOwnershipOfDescriptor(input: try descriptor.value.duplicate().relinquish()).get()
            }
            master = nil
            sources = [outSource, errorSource]
        case nil: throw ProgramError("the session's streams are taken already")
        }
    }

    private static func bootstrap(_ eventLoop: any NIOCore.EventLoop, _ source: SessionSource) -> NIOPipeBootstrap {
        NIOPipeBootstrap(group: eventLoop)
            // Reading is asked for by whoever takes what was read.
            .channelOption(.autoRead, value: false)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                source.attach(channel)
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(SessionReader(source: source))
                }
            }
    }

    /// Writes to the command; waits while it does not read. One that has closed its input takes nothing.
    func write(_ bytes: [UInt8]) async {
        try? await input.writeAndFlush(ByteBuffer(bytes: bytes)).get()
    }

    /// Standard input ends. A terminal has its own way to say so: the client sends Ctrl-D.
    func endInput() {
        guard master == nil else { return }
        input.close(promise: nil)
    }

    /// The terminal has another size.
    func resize(_ size: TerminalSize) {
        guard let master else { return }
        try? PseudoTerminal.resize(master.value.rawValue, columns: max(1, size.columns), rows: max(1, size.rows))
    }

    /// Lets the sources end with what the command has written until now, though something that it started in the background
    /// may keep its output open.
    func commandEnded() async {
        for source in sources { await source.endWithWhatIsThere(isTerminal: master != nil) }
    }

    /// Closes everything.
    func close() {
        input.close(promise: nil)
        for source in sources { source.close() }
    }
}

/// One stream of output: chunks one after the other, the next one read when the last was taken.
final class SessionSource: Sendable {
    /// Which frames it makes.
    let kind: SessionFrame.Kind
    /// The same file as the channel's, to ask how much is in it.
    private let probe: Shared<OwnedDescriptor>
    private let chunks: AsyncStream<ByteBuffer>
    private let continuation: AsyncStream<ByteBuffer>.Continuation
    private let state = Mutex(State())

    private struct State {
        var channel: (any Channel)?
        /// Bytes read from the file, and how many of them there shall be at most.
        var read = 0
        var limit: Int?
        var isOver = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    init(_ kind: SessionFrame.Kind, probe: Shared<OwnedDescriptor>) {
        self.kind = kind
        self.probe = probe
        (chunks, continuation) = AsyncStream.makeStream(of: ByteBuffer.self)
    }

    /// Time that the kernel may take to bring the last output of a terminal to its other side.
    private static let terminalDelay = TimeAmount.milliseconds(200)

    func attach(_ channel: any Channel) { state.withLock { $0.channel = channel } }

    /// Calls a function with each chunk, as it comes.
    func forEach(_ body: ([UInt8]) async -> Void) async {
        channel?.read()
        for await chunk in chunks {
            await body(Array(chunk.readableBytesView))
            channel?.read()
        }
        state.withLock { state in
            state.isOver = true
            defer { state.waiters.removeAll() }
            return state.waiters
        }.forEach { $0.resume() }
    }

    /// Returns when every chunk was taken.
    func finished() async {
        await withCheckedContinuation { waiter in
            let isOver = state.withLock { state in
                if !state.isOver { state.waiters.append(waiter) }
                return state.isOver
            }
            if isOver { waiter.resume() }
        }
    }

    /// On the event loop: bytes were read.
    fileprivate func take(_ buffer: ByteBuffer) {
        let isLast = state.withLock { state in
            state.read += buffer.readableBytes
            return state.limit.map { state.read >= $0 } ?? false
        }
        continuation.yield(buffer)
        if isLast { continuation.finish() }
    }

    /// On the event loop: the file has ended.
    fileprivate func end() { continuation.finish() }

    /// Ends after what is in the file at this moment; a terminal gets a little time to come to its end by itself.
    fileprivate func endWithWhatIsThere(isTerminal: Bool) async {
        guard let channel else { return continuation.finish() }
        let setLimit: @Sendable () -> Void = { [self] in
            // On the event loop, so that nothing is read between the question and the answer.
            var inFile: CInt = 0
            _ = ioctl(probe.value.rawValue, UInt(FIONREAD), &inFile)
            let isOver = state.withLock { state in
                let limit = state.read + Int(inFile)
                state.limit = limit
                return state.read >= limit
            }
            if isOver { continuation.finish() }
        }
        if isTerminal {
            channel.eventLoop.scheduleTask(in: Self.terminalDelay, setLimit)
        } else {
            channel.eventLoop.execute(setLimit)
        }
    }

    func close() { channel?.close(promise: nil) }

    private var channel: (any Channel)? { state.withLock { $0.channel } }
}

/// Hands what a channel reads to its source.
private final class SessionReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let source: SessionSource

    init(source: SessionSource) { self.source = source }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { source.take(unwrapInboundIn(data)) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(.inputClosed) = event as? ChannelEvent { source.end() }
    }

    func channelInactive(context: ChannelHandlerContext) { source.end() }

    // EIO: the last program has closed a terminal.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        source.end()
        context.close(promise: nil)
    }
}
