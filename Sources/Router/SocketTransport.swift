// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import NIOCore

/// A socket as a ``Transport``.
///
/// Bytes are written to the kernel when they are flushed, and what it does not take waits here until it does; bytes are
/// read when an event says that there are some and somebody wants them. So a request costs two reads and two writes, and
/// nothing is asked of the kernel in between.
final class SocketTransport: Transport, SocketEvents, LoopContinuation {
    /// More than this waiting, and the connection is not writable…
    private static let highWater = 64 << 10
    /// …until there is no more than this.
    private static let lowWater = 32 << 10
    /// Longest piece that is copied to those before it: each piece of its own costs far more than copying it does.
    private static let copied = 8 << 10

    private struct Connecting {
        let completion: (Result<Void, any Error>) -> Void
        let timer: DeadlineTimer
    }

    private enum End {
        case none
        /// The end of the stream goes out behind what waits.
        case finishing
        /// The connection is closed behind what waits.
        case closing
    }

    private let loop: SocketLoop
    private var socket: StreamSocket?
    private var user: (any TransportUser)?
    private var slot = 0
    private var connecting: Connecting?
    /// Written, and not flushed yet.
    private var outgoing = ByteBuffer()
    /// Flushed, but the kernel has not taken it.
    private var pending = ByteBuffer()
    private(set) var isWritable = false
    private var end = End.none
    /// Called whenever the kernel has taken everything that had to wait for it.
    var onSent: (() -> Void)?
    /// Bytes may be there: what epoll said, until a read has found the last one.
    private var canRead = false
    private var wantsRead = false
    /// The end of the stream is there, perhaps behind bytes.
    private var hasPeerEnded = false
    private var isInputClosed = false
    private var isOutputFinished = false
    private var isReadyQueued = false
    /// The connection is broken, and nothing can be sent any more. What the peer had sent before can still be read.
    private var failure: SystemError?

    init(loop: SocketLoop, user: any TransportUser) {
        self.loop = loop
        self.user = user
    }

    // MARK: - The beginning

    /// Uses a socket that is connected.
    func open(_ socket: StreamSocket) throws(SystemError) {
        slot = try loop.register(self, socket)
        self.socket = socket
        isWritable = true
        user?.opened(self)
    }

    /// Opens a connection.
    func connect(
        to address: SocketAddress, timeout: Duration, completion: @escaping (Result<Void, any Error>) -> Void
    ) throws(SystemError) {
        let begun = address.withSockAddr { pointer, count in
            Result { () throws(SystemError) in
                try StreamSocket.connect(to: UnsafeRawBufferPointer(start: pointer, count: count))
            }
        }
        let socket = try begun.get()
        socket.sendWithoutDelay()
        slot = try loop.register(self, socket)
        self.socket = socket
        let timer = DeadlineTimer(thread: loop)
        connecting = Connecting(completion: completion, timer: timer)
        timer.onExpiry = { [self] in connected(ETIMEDOUT) }
        timer.set(timeout)
    }

    private func connected(_ error: Int32) {
        guard let connecting else { return }
        self.connecting = nil
        connecting.timer.cancel()
        guard error == 0 else {
            close()
            return connecting.completion(.failure(SystemError(operation: "connect", errno: error)))
        }
        isWritable = true
        user?.opened(self)
        connecting.completion(.success(()))
    }

    // MARK: - Writing

    var hasEnded: Bool { hasPeerEnded || failure != nil }

    /// Something that was flushed waits for the kernel to take it.
    var hasUnsent: Bool { pending.readableBytes > 0 }

    func compose(_ body: (inout ByteBuffer) -> Void) {
        guard socket != nil else { return }
        if outgoing.capacity == 0 { outgoing = loop.takeSpare() }
        body(&outgoing)
    }

    func write(_ bytes: ByteBuffer) {
        guard let socket, bytes.readableBytes > 0 else { return }
        if bytes.readableBytes <= Self.copied, outgoing.readableBytes < Self.highWater {
            compose { $0.writeImmutableBuffer(bytes) }
        } else if pending.readableBytes > 0 || failure != nil {
            keep(outgoing)
            keep(bytes)
            emptyOutgoing()
        } else {
            let result = outgoing.withUnsafeReadableBytes { first in
                bytes.withUnsafeReadableBytes { second in
                    first.isEmpty ? socket.send(second) : socket.send(first, second)
                }
            }
            var rest = bytes
            let sent = count(result)
            let sentFirst = min(sent, outgoing.readableBytes)
            outgoing.moveReaderIndex(forwardBy: sentFirst)
            rest.moveReaderIndex(forwardBy: sent - sentFirst)
            keep(outgoing)
            keep(rest)
            emptyOutgoing()
        }
    }

    func flush() {
        guard outgoing.readableBytes > 0, let socket else { return }
        if pending.readableBytes == 0, failure == nil {
            outgoing.moveReaderIndex(forwardBy: count(outgoing.withUnsafeReadableBytes(socket.send)))
        }
        keep(outgoing)
        emptyOutgoing()
    }

    private func emptyOutgoing() { loop.returnSpare(&outgoing) }

    /// How many bytes the kernel took.
    private func count(_ result: StreamSocket.Transfer) -> Int {
        switch result {
        case .bytes(let count): return count
        case .wouldBlock: return 0
        case .failed(let number):
            failure = SystemError(operation: "send", errno: number)
            pending = ByteBuffer()
            drain()
            return 0
        }
    }

    private func keep(_ rest: ByteBuffer) {
        guard rest.readableBytes > 0, failure == nil else { return }
        if pending.readableBytes == 0 {
            pending = ByteBufferAllocator().buffer(capacity: rest.readableBytes)
        } else {
            pending.discardReadBytes()
        }
        pending.writeImmutableBuffer(rest)
        if pending.readableBytes > Self.highWater { isWritable = false }
    }

    private func sendPending() {
        guard let socket, pending.readableBytes > 0 else { return }
        pending.moveReaderIndex(forwardBy: count(pending.withUnsafeReadableBytes(socket.send)))
        guard failure == nil else { return }
        if pending.readableBytes == 0 {
            pending = ByteBuffer()
            onSent?()
            finishIfDue()
        }
        guard self.socket != nil, !isWritable, pending.readableBytes <= Self.lowWater else { return }
        isWritable = true
        user?.becameWritable()
    }

    func finishOutput() {
        flush()
        if end == .none { end = .finishing }
        finishIfDue()
    }

    func closeAfterFlush() {
        flush()
        end = .closing
        finishIfDue()
    }

    private func finishIfDue() {
        guard let socket, pending.readableBytes == 0 else { return }
        switch end {
        case .none: break
        case .finishing:
            end = .none
            isOutputFinished = true
            socket.finishOutput()
            // Both directions have ended, so the connection has.
            if isInputClosed { close() } else { user?.outputFinished() }
        case .closing: close()
        }
    }

    // MARK: - Reading

    func read() {
        guard !isInputClosed else { return }
        wantsRead = true
        if canRead { queue() }
    }

    /// After a failure: what the peer had sent before comes first, and then the end, of which the user is told.
    private func drain() {
        canRead = true
        if user?.drainsAfterFailure == true { wantsRead = true }
        if wantsRead || isInputClosed { queue() }
    }

    private func queue() {
        guard !isReadyQueued, socket != nil else { return }
        isReadyQueued = true
        loop.continueLater(self)
    }

    /// Goes on with bytes that epoll has told of before.
    func goOn() {
        isReadyQueued = false
        if let failure, isInputClosed { return finish(failure) }
        if canRead, wantsRead { receive() }
    }

    private func receive() {
        guard let socket else { return }
        wantsRead = false
        let (result, bytes, isFull) = loop.receive(from: socket)
        switch result {
        case .bytes(0):
            // After a failure this is no orderly end.
            if let failure { return finish(failure) }
            (canRead, isInputClosed) = (false, true)
            user?.inputClosed()
            if isOutputFinished { close() }
        case .bytes:
            // Fewer than there was room for: these were the last, and epoll tells when there are more (epoll(7)).
            if !isFull, !hasPeerEnded { canRead = false }
            user?.received(bytes)
            user?.receiveCompleted()
            user?.keepInput()
            if failure != nil { drain() }
        case .wouldBlock:
            if let failure { return finish(failure) }
            (canRead, wantsRead) = (false, true)
        case .failed(let number): finish(failure ?? SystemError(operation: "recv", errno: number))
        }
    }

    // MARK: - Events

    func happened(_ readiness: Epoll.Readiness) {
        if connecting != nil {
            if let socket { connected(socket.takeError()) }
            guard socket != nil else { return }
        }
        if readiness.contains(.writable) { sendPending() }
        guard !readiness.isDisjoint(with: [.readable, .ended, .failed]), socket != nil else { return }
        canRead = true
        if readiness.contains(.failed), failure == nil {
            failure = SystemError(operation: "recv", errno: socket?.takeError() ?? 0)
            return drain()
        }
        let isEnding = !hasPeerEnded && !readiness.isDisjoint(with: .ended)
        if isEnding { hasPeerEnded = true }
        if wantsRead { receive() }
        if isEnding, canRead, !wantsRead { user?.inputEnding() }
    }

    // MARK: - The end

    func resetOnClose() { socket?.resetOnClose() }

    func close() { finish(nil) }

    func loopEnded() { close() }

    private func finish(_ error: SystemError?) {
        guard let socket else { return }
        self.socket = nil
        loop.releaseSlot(slot)
        socket.close()
        connecting?.timer.cancel()
        connecting = nil
        (isWritable, canRead, wantsRead) = (false, false, false)
        outgoing = ByteBuffer()
        pending = ByteBuffer()
        let user = user
        self.user = nil
        user?.closed(error)
    }
}
