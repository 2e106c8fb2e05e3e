// SPDX-License-Identifier: Apache-2.0

import LinuxSystem
import NIOCore

/// The peer has finished sending, behind bytes that nobody has asked for yet.
struct InputEnding {}

/// A socket as a NIO channel, for the handlers of TLS: what the socket receives goes up the pipeline, and what comes down is
/// sent. It does what those handlers need: nothing is bound, connected or configured through it.
///
/// Concurrency proof for `@unchecked Sendable`: used on its loop's thread.
final class SocketChannel: Channel, @unchecked Sendable {
    private let loop: SocketLoop
    private var transport: SocketTransport?
    private(set) lazy var pipeline = ChannelPipeline(channel: self)
    private let closePromise: EventLoopPromise<Void>
    /// For those whose bytes the kernel has not taken yet.
    private var sendPromises: [EventLoopPromise<Void>] = []
    private var finishPromise: EventLoopPromise<Void>?
    /// The handlers have closed it, and it ends behind what the kernel has not taken yet.
    private var isEnding = false
    /// One direction does not end without the other: so TLS closes as soon as the peer has said farewell, too.
    var endsAsOne = false
    private(set) var isActive = false

    init(loop: SocketLoop) {
        self.loop = loop
        closePromise = loop.makePromise()
    }

    /// Begins, with everything in the pipeline.
    func open(_ socket: StreamSocket) throws(SystemError) {
        let transport = SocketTransport(loop: loop, user: self)
        transport.onSent = { [unowned self] in keepSendPromises(.success(())) }
        self.transport = transport
        try transport.open(socket)
    }

    /// Ends without having begun.
    func abandon() { closed(nil) }

    /// Closes the socket at once, whatever the handlers still wait for.
    func cut() { transport?.close() }

    /// Makes the close a reset, which drops what the peer has not taken.
    func resetOnClose() { transport?.resetOnClose() }

    private func keepSendPromises(_ result: Result<Void, any Error>) {
        let promises = sendPromises
        sendPromises = []
        for promise in promises { promise.completeWith(result) }
    }

    // MARK: - For the handlers

    var eventLoop: any NIOCore.EventLoop { loop }
    let allocator = ByteBufferAllocator()
    var closeFuture: EventLoopFuture<Void> { closePromise.futureResult }
    var localAddress: SocketAddress? { nil }
    var remoteAddress: SocketAddress? { nil }
    var parent: (any Channel)? { nil }
    var isWritable: Bool { transport?.isWritable ?? false }
    var _channelCore: any ChannelCore { self }
    var syncOptions: (any NIOSynchronousChannelOptions)? { Options(endsAsOne: endsAsOne) }

    func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> EventLoopFuture<Void> {
        loop.makeFailedFuture(ChannelError.operationUnsupported)
    }

    func getOption<Option: ChannelOption>(_ option: Option) -> EventLoopFuture<Option.Value> {
        loop.makeCompletedFuture { try Options(endsAsOne: endsAsOne).getOption(option) }
    }

    /// What the handlers ask for: bytes are read when they are wanted.
    private struct Options: NIOSynchronousChannelOptions {
        let endsAsOne: Bool

        func getOption<Option: ChannelOption>(_ option: Option) throws -> Option.Value {
            let value: Bool? =
                switch option {
                case is ChannelOptions.Types.AutoReadOption: false
                case is ChannelOptions.Types.AllowRemoteHalfClosureOption: !endsAsOne
                default: nil
                }
            guard let value = value as? Option.Value else { throw ChannelError.operationUnsupported }
            return value
        }

        func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) throws {
            throw ChannelError.operationUnsupported
        }
    }
}

extension SocketChannel: ChannelCore {
    func write0(_ data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard let transport, !isEnding else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        transport.write(unwrapData(data, as: ByteBuffer.self))
        if let promise { sendPromises.append(promise) }
    }

    func flush0() {
        guard let transport else { return }
        transport.flush()
        if !sendPromises.isEmpty, !transport.hasUnsent { keepSendPromises(.success(())) }
    }

    func read0() { transport?.read() }

    func close0(error: any Error, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard let transport, !isEnding else {
            promise?.fail(ChannelError.alreadyClosed)
            return
        }
        switch mode {
        case .input: promise?.fail(ChannelError.operationUnsupported)
        case .output where finishPromise != nil: finishPromise?.futureResult.cascade(to: promise)
        case .output:
            finishPromise = promise ?? loop.makePromise()
            transport.finishOutput()
        case .all where transport.hasUnsent:
            isEnding = true
            if let promise { sendPromises.append(promise) }
            transport.closeAfterFlush()
        case .all:
            transport.close()
            promise?.succeed()
        }
    }

    func register0(promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.operationUnsupported) }

    func registerAlreadyConfigured0(promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    func bind0(to address: SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    func connect0(to address: SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    func triggerUserOutboundEvent0(_ event: Any, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    func localAddress0() throws -> SocketAddress { throw ChannelError.operationUnsupported }

    func remoteAddress0() throws -> SocketAddress { throw ChannelError.operationUnsupported }

    func channelRead0(_ data: NIOAny) {}

    func errorCaught0(error: any Error) {}
}

extension SocketChannel: TransportUser {
    func opened(_ transport: any Transport) {
        isActive = true
        pipeline.syncOperations.fireChannelActive()
    }

    func received(_ bytes: ByteBuffer) {
        guard !isEnding else { return }
        // Memory of their own: TLS keeps what is not a whole record yet, and where the bytes are the next ones come.
        var copy = allocator.buffer(capacity: bytes.readableBytes)
        copy.writeImmutableBuffer(bytes)
        pipeline.syncOperations.fireChannelRead(NIOAny(copy))
    }

    func receiveCompleted() {
        if !isEnding { pipeline.syncOperations.fireChannelReadComplete() }
    }

    func keepInput() {}

    func becameWritable() {
        if !isEnding { pipeline.syncOperations.fireChannelWritabilityChanged() }
    }

    var drainsAfterFailure: Bool { true }

    func inputEnding() { tell(InputEnding()) }

    func inputClosed() { tell(ChannelEvent.inputClosed) }

    private func tell(_ event: any Sendable) {
        if !isEnding { pipeline.syncOperations.fireUserInboundEventTriggered(event) }
    }

    func outputFinished() { finishPromise?.succeed() }

    func closed(_ error: (any Error)?) {
        transport = nil
        isActive = false
        keepSendPromises(.failure(ChannelError.ioOnClosedChannel))
        finishPromise?.fail(ChannelError.ioOnClosedChannel)
        pipeline.syncOperations.fireChannelInactive()
        loop.continueLater(self)
    }
}

extension ChannelHandlerContext {
    /// The channel, of which TLS handlers of the router have no other kind.
    var socketChannel: SocketChannel? { channel as? SocketChannel }
}

extension SocketChannel: LoopContinuation {
    /// Whoever closed it may have been one of the handlers.
    func goOn() {
        removeHandlers(pipeline: pipeline)
        closePromise.succeed()
    }
}
