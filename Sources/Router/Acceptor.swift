// SPDX-License-Identifier: Apache-2.0

import LinuxSystem
import Logging
import NIOCore

/// Accepts connections on one ``SocketLoop`` and deals them out to all, in turns.
final class Acceptor: SocketEvents {
    /// Connections that are accepted before others have a turn.
    private static let batch = 64
    /// How long to leave the listening socket alone when it cannot be used, as when there is no descriptor left: it would be
    /// told of again and again.
    private static let pause = Duration.seconds(1)
    /// What the kernel takes of an answer before it has sent it. Without a bound that grows to megabytes for a slow client,
    /// and only when a third of them is gone is there room again, which is all that is seen of the client's taking something.
    static let maxUnsentBytes = 128 << 10

    private let loop: SocketLoop
    private var listener: Shared<OwnedDescriptor>?
    private let loops: [LoopHandle]
    private let tls: RouterTLS?
    private let logger: Logger
    private let timer: DeadlineTimer
    private var slot: Int?
    private var turn = 0

    /// On the loop's thread.
    ///
    /// - Parameters:
    ///   - loop: where it accepts; one of `loops`.
    ///   - listener: closed by ``stop()``, unless others have it too.
    ///   - tls: what connections begin with; nil for plain ones.
    ///   - logger: gets why nothing is accepted for a while.
    init(
        loop: SocketLoop, listener: Shared<OwnedDescriptor>, loops: [LoopHandle], tls: RouterTLS?, logger: Logger
    ) throws(SystemError) {
        self.loop = loop
        self.listener = listener
        self.loops = loops
        self.tls = tls
        self.logger = logger
        timer = DeadlineTimer(thread: loop)
        try ListeningSocket.makeNonBlocking(listener.value)
        try resume()
    }

    private func resume() throws(SystemError) {
        if let listener { slot = try loop.register(self, listener: listener) }
    }

    private func pauseAccepting() {
        if let listener, let slot { loop.unregister(slot, listener: listener.value) }
        slot = nil
    }

    /// Accepts nothing any more. What has been accepted is dealt out already.
    func stop() {
        timer.cancel()
        pauseAccepting()
        listener = nil
    }

    func happened(_ readiness: Epoll.Readiness) {
        guard let listener else { return }
        for _ in 0..<Self.batch {
            switch StreamSocket.accept(from: listener.value) {
            case .connection(let socket, let address): deal(socket, address)
            case .none: return
            case .lost: continue
            case .failed(let error): return rest(error)
            }
        }
    }

    func loopEnded() { stop() }

    private func rest(_ error: SystemError) {
        logger.warning(
            "the router accepts no connection for now",
            metadata: ["error": "\(error)", "pause": "\(Self.pause)"])
        pauseAccepting()
        timer.onExpiry = { [unowned self] in
            // No memory in the kernel: again later.
            do throws(SystemError) { try resume() } catch { rest(error) }
        }
        timer.set(Self.pause)
    }

    private func deal(_ socket: StreamSocket, _ address: String) {
        turn = (turn + 1) % loops.count
        let handle = loops[turn]
        if handle.thread === loop { return Self.serve(socket, address, handle.onThread, loop, tls) }
        let bound = ThreadBound(socket)
        handle.run { [thread = handle.thread, tls] loop in Self.serve(bound.value, address, loop, thread, tls) }
    }

    private static func serve(
        _ socket: StreamSocket, _ address: String, _ loop: RouterLoop, _ thread: SocketLoop, _ tls: RouterTLS?
    ) {
        guard !loop.isShuttingDown, !address.isEmpty, loop.limiter.admit(address) else { return socket.close() }
        socket.sendWithoutDelay()
        socket.keepAlive()
        socket.limitUnsent(bytes: Int32(maxUnsentBytes))
        let client = Client(address: address, isEncrypted: tls != nil)
        do {
            if let tls {
                try ClientPipeline(loop: loop, thread: thread, client: client).open(socket, tls: tls)
            } else {
                let front = FrontConnection(loop: loop, client: client) { loop.limiter.remove(address) }
                try SocketTransport(loop: thread, user: front).open(socket)
            }
        } catch {
            socket.close()
            loop.limiter.remove(address)
        }
    }
}
