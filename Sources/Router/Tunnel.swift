// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Passes bytes between a client and an app after both have left HTTP (101 Switching Protocols).
///
/// Each side is read only while the other takes bytes. One side's end of stream is passed on, and the other may go on
/// sending; from then on silence is limited, since a peer that is gone altogether looks the same. So is the time for
/// which a client takes nothing of what waits for it.
final class Tunnel {
    private let front: FrontConnection
    private let upstream: UpstreamConnection
    private let onEnd: (Int64) -> Void
    private var bytes: Int64 = 0
    private var isHalfClosed = false
    private var isOver = false

    /// - Parameter onEnd: called once, when either side is gone, with the bytes passed on in both directions.
    init(front: FrontConnection, upstream: UpstreamConnection, onEnd: @escaping (Int64) -> Void) {
        self.front = front
        self.upstream = upstream
        self.onEnd = onEnd
    }

    /// Takes both connections over, with the bytes that have already arrived.
    func start() {
        front.owner = self
        upstream.owner = self
        front.timer.clear()
        clientReadable()
        upstreamReadable()
        upstreamReadComplete()
    }

    private func end() {
        guard !isOver else { return }
        isOver = true
        onEnd(bytes)
    }

    private func touch() {
        if isHalfClosed { front.timer.set(front.loop.configuration.idleTimeout) }
    }
}

extension Tunnel: ClientSide {
    func clientReadable() {
        if front.input.readableBytes > 0 {
            bytes += Int64(front.input.readableBytes)
            upstream.write(front.input)
            front.input = ByteBuffer()
            upstream.flush()
            touch()
        }
        if upstream.isWritable { front.read() }
    }

    func clientWritable() {
        if !isHalfClosed { front.timer.clear() }
        upstream.read()
    }

    /// What was sent before is for the app, when it takes it.
    func clientInputEnding() {}

    func clientInputClosed() {
        isHalfClosed = true
        touch()
        upstream.finishOutput()
    }

    func clientGone() {
        upstream.closeAfterFlush(in: front.loop)
        end()
    }

    func deadlinePassed() {
        upstream.close()
        // What the client is taking still, it may.
        if front.isWritable { front.cut() } else { front.reset() }
    }
}

extension Tunnel: UpstreamSide {
    func upstreamReadable() {
        guard upstream.input.readableBytes > 0 else { return }
        bytes += Int64(upstream.input.readableBytes)
        front.write(upstream.input)
        upstream.input = ByteBuffer()
        touch()
    }

    func upstreamReadComplete() {
        front.flush()
        if front.isWritable {
            upstream.read()
        } else if !isHalfClosed {
            front.timer.set(front.loop.configuration.sendTimeout)
        }
    }

    func upstreamWritable() { front.read() }

    func upstreamInputClosed() {
        isHalfClosed = true
        touch()
        front.finishOutput()
    }

    func upstreamGone(_ error: (any Error)?) {
        end()
        front.linger()
    }
}
