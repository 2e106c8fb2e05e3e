// SPDX-License-Identifier: Apache-2.0

/// The one who works on a client's request at the moment. Called on the event loop.
protocol ClientSide: AnyObject {
    /// No more bytes come for now; ``FrontConnection/input`` has those that nobody has taken.
    func clientReadable()
    /// The connection takes bytes again.
    func clientWritable()
    /// The client has finished sending, behind bytes that nobody has asked for yet.
    func clientInputEnding()
    /// The client has finished sending.
    func clientInputClosed()
    /// The connection is closed.
    func clientGone()
    /// The deadline set by ``FrontConnection/timer`` has passed.
    func deadlinePassed()
}
