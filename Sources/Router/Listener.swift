// SPDX-License-Identifier: Apache-2.0

import LinuxSystem
import Logging
import NIOCore
import NIOPosix

/// A socket that the router accepts connections on.
struct Listener: Sendable {
    /// Where it listens.
    let address: SocketAddress
    /// Succeeds when nothing is accepted any more.
    let closed: EventLoopFuture<Void>
    /// Accepts nothing any more; who has been accepted is served. May be called from any thread, more than once.
    let stop: @Sendable () -> Void

    /// Listens for connections, which the loops get in turns.
    ///
    /// - Parameters:
    ///   - socket: one that listens already, instead of the address.
    ///   - tls: what connections begin with; nil for plain ones.
    ///   - eventLoop: for ``closed``.
    ///   - logger: gets why nothing is accepted for a while.
    /// - Throws: ``RouterError``.
    static func open(
        host: String, port: Int, socket: Shared<OwnedDescriptor>?, tls: RouterTLS?, loops: [LoopHandle],
        eventLoop: any NIOCore.EventLoop, logger: Logger
    ) async throws -> Listener {
        do {
            let socket = if let socket { socket } else { try await bind(host, port) }
            let bound = try ListeningSocket.address(of: socket.value)
            let address = try SocketAddress(ipAddress: bound.host, port: Int(bound.port))
            let thread = loops[0].thread
            let accepting = eventLoop.makePromise(of: ThreadBound<Acceptor>.self)
            thread.execute {
                accepting.completeWith(
                    Result {
                        ThreadBound(
                            try Acceptor(loop: thread, listener: socket, loops: loops, tls: tls, logger: logger))
                    })
            }
            let acceptor = try await accepting.futureResult.get()
            let promise = eventLoop.makePromise(of: Void.self)
            return Listener(address: address, closed: promise.futureResult) {
                thread.execute {
                    acceptor.value.stop()
                    promise.succeed()
                }
            }
        } catch {
            throw RouterError.cannotListen(
                address: "\(host):\(port)", cause: error, errno: (error as? SystemError)?.errno)
        }
    }

    /// A name server may have to be asked.
    private static func bind(_ host: String, _ port: Int) async throws -> Shared<OwnedDescriptor> {
        guard let port = UInt16(exactly: port) else { throw SystemError(operation: "bind", errno: EINVAL) }
        return try await NIOThreadPool.singleton.runIfActive {
            Shared(try ListeningSocket.bind(host: host, port: port))
        }
    }
}
