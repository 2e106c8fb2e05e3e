// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// The one who uses a connection to an app at the moment. Called on the event loop.
protocol UpstreamSide: AnyObject {
    /// Bytes were added to ``UpstreamConnection/input``.
    func upstreamReadable()
    /// No more bytes come for now: flush what was made of them, and ask for more when it is wanted.
    func upstreamReadComplete()
    /// The connection takes bytes again.
    func upstreamWritable()
    /// The app has finished sending.
    func upstreamInputClosed()
    /// The connection is closed; the error is nil for an orderly close.
    func upstreamGone(_ error: (any Error)?)
}

/// A connection to an app: bytes in, bytes out, and nothing read that was not asked for.
final class UpstreamConnection {
    /// The instance at the other end.
    let instance: Instance
    /// Bytes that nobody has taken yet.
    var input: ByteBuffer {
        get { buffer.bytes }
        _modify { yield &buffer.bytes }
    }
    /// Who uses the connection; nil while it is idle or on its way to be closed.
    var owner: (any UpstreamSide)?
    /// Has carried a request before, so the app may have closed it in the meantime.
    private(set) var isReused = false
    /// When the last request was over.
    private(set) var idleSince = NIODeadline.uptimeNanoseconds(0)
    /// Where it lies while idle; nil otherwise.
    var shelf: UpstreamPool.Shelf?
    private var transport: (any Transport)?
    private var buffer = InputBuffer()
    private var isInputClosed = false
    private var isClosing = false
    /// Where it is known while it closes, and how long the app may take nothing.
    private var closing: (loop: RouterLoop, timer: DeadlineTimer)?

    init(instance: Instance) {
        self.instance = instance
    }

    /// Still open in both directions.
    var isUsable: Bool { transport?.hasEnded == false && !isInputClosed }
    /// Takes bytes without piling them up.
    var isWritable: Bool { transport?.isWritable ?? false }

    /// Lets `body` append to what the next flush sends.
    func compose(_ body: (inout ByteBuffer) -> Void) { transport?.compose(body) }

    func write(_ bytes: ByteBuffer) { transport?.write(bytes) }

    func flush() { transport?.flush() }

    func read() { transport?.read() }

    /// Closes at once. The owner is not told.
    func close() {
        owner = nil
        transport?.close()
    }

    /// Sends what was written, then the end of the stream.
    func finishOutput() { transport?.finishOutput() }

    /// Sends what was written, then closes; an app that takes too long gets a reset. The owner is not told.
    func closeAfterFlush(in loop: RouterLoop) {
        owner = nil
        isClosing = true
        transport?.closeAfterFlush()
        guard transport != nil, closing == nil else { return }
        let timer = DeadlineTimer(thread: loop.thread)
        closing = (loop, timer)
        loop.add(self)
        timer.onExpiry = { [unowned self] in cut() }
        timer.set(loop.configuration.sendTimeout)
    }

    /// Waits in the pool. Bytes or an end from the app now mean that the connection is of no use any more.
    func becomeIdle(at time: NIODeadline) {
        owner = nil
        isReused = true
        idleSince = time
        read()
    }
}

extension UpstreamConnection: TransportUser {
    func opened(_ transport: any Transport) { self.transport = transport }

    func received(_ bytes: ByteBuffer) {
        guard let owner else {
            // An idle connection has nothing to say; what comes after a close was wanted is of no interest.
            if !isClosing { close() }
            return
        }
        buffer.append(bytes)
        owner.upstreamReadable()
    }

    func receiveCompleted() { owner?.upstreamReadComplete() }

    func keepInput() { buffer.keep() }

    func becameWritable() { owner?.upstreamWritable() }

    /// What the app has sent before is for the client, when that takes it.
    func inputEnding() {}

    /// An owner asks for the rest when the client takes it.
    var drainsAfterFailure: Bool { owner == nil }

    func inputClosed() {
        isInputClosed = true
        if let owner { owner.upstreamInputClosed() } else if !isClosing { close() }
    }

    func outputFinished() {}

    func closed(_ error: (any Error)?) {
        transport = nil
        shelf?.remove(self)
        let owner = owner
        self.owner = nil
        owner?.upstreamGone(error)
        if let closing {
            closing.timer.cancel()
            closing.loop.remove(self)
        }
    }
}

/// While it closes.
extension UpstreamConnection: LoopConnection {
    var isNew: Bool { false }

    func closeWhenIdle() {}

    func cut() {
        transport?.resetOnClose()
        close()
    }

    func willShutDown() {}
}
