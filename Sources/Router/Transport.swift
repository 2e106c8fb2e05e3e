// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Where a connection's bytes come from and go to: a socket, TLS on one, or a stream of HTTP/2. Used on its loop only. After
/// the end every call does nothing.
protocol Transport: AnyObject {
    /// Takes bytes without piling them up.
    var isWritable: Bool { get }
    /// The peer has sent its end, or the connection is broken, whether or not that has been read.
    var hasEnded: Bool { get }
    /// Lets `body` append to what the next flush sends.
    func compose(_ body: (inout ByteBuffer) -> Void)
    /// Adds the head of a final answer to what the next flush sends.
    func writeHead(_ head: AnswerHead)
    /// Adds bytes to what the next flush sends; a large piece may go at once.
    func write(_ bytes: ByteBuffer)
    /// Sends what was written, now or as soon as the peer takes it.
    func flush()
    /// Wants bytes, once: they are handed to the user later, never within this call.
    func read()
    /// Closes at once; the user is told within the call.
    func close()
    /// Makes the close a reset, which drops what the peer has not taken.
    func resetOnClose()
    /// Sends what was written and then the end of the stream, and tells the user. Reading goes on.
    func finishOutput()
    /// Sends what was written, then closes.
    func closeAfterFlush()
}

extension Transport {
    func writeHead(_ head: AnswerHead) { compose(head.writeLines) }
}

/// Whose bytes a ``Transport`` carries. Called on the loop.
protocol TransportUser: AnyObject {
    /// The connection can be used.
    func opened(_ transport: any Transport)
    /// Bytes that were asked for.
    func received(_ bytes: ByteBuffer)
    /// No more come for now.
    func receiveCompleted()
    /// Bytes that were received and not used yet have to be copied: where they are, the next ones come.
    func keepInput()
    /// The connection takes bytes again.
    func becameWritable()
    /// After a failure to send: what the peer had sent before is read at once, wanted or not, so that the end is known.
    var drainsAfterFailure: Bool { get }
    /// The peer has finished sending, behind bytes that nobody has asked for yet.
    func inputEnding()
    /// The peer has finished sending, and there is nothing left to read.
    func inputClosed()
    /// The end of the stream has gone out.
    func outputFinished()
    /// The connection is closed; the error is nil for an orderly close. Nothing is called after this.
    func closed(_ error: (any Error)?)
}
