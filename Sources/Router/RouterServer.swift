// SPDX-License-Identifier: Apache-2.0

public import Logging
public import NIOCore
import NIOPosix
public import ServiceLifecycle

/// The HTTP reverse proxy in front of a node's apps.
///
/// Every connection, its requests and the connections to apps that they use live on one event loop; loops share only
/// the route table and the connection counts. Without a connection the router has no timer and makes no system call.
public final class RouterServer: Service {
    private let configuration: RouterConfiguration
    private let table: RouteTable
    private let eventLoopGroup: any EventLoopGroup
    private let logger: Logger
    private let sockets: UpstreamSocketSource?
    private let accessLog: (@Sendable (AccessRecord) -> Void)?
    private let listeningSocket: NIOBSDSocket.Handle?
    private let tls: RouterTLSListener?
    private let binding = Binding()
    private let tlsBinding = Binding()
    private let handover = Handover()

    /// Creates a router that does not listen yet.
    ///
    /// - Parameters:
    ///   - configuration: addresses and limits.
    ///   - table: what is served; may change at any time.
    ///   - eventLoopGroup: not shut down by the router.
    ///   - logger: gets what goes wrong.
    ///   - sockets: asked before a connection to an instance is opened by its address.
    ///   - listeningSocket: a socket that listens already, which the router closes; instead of the configuration's
    ///     address.
    ///   - tls: a second socket, for connections that begin with a TLS handshake.
    ///   - accessLog: called once for every request when it is over, on an event loop: it must not block.
    public init(
        configuration: RouterConfiguration, table: RouteTable, eventLoopGroup: any EventLoopGroup, logger: Logger,
        sockets: UpstreamSocketSource? = nil, listeningSocket: NIOBSDSocket.Handle? = nil,
        tls: RouterTLSListener? = nil,
        accessLog: (@Sendable (AccessRecord) -> Void)? = nil
    ) {
        self.configuration = configuration
        self.table = table
        self.eventLoopGroup = eventLoopGroup
        self.logger = logger
        self.sockets = sockets
        self.listeningSocket = listeningSocket
        self.tls = tls
        self.accessLog = accessLog
    }

    /// The address that the router listens on; waits until it does.
    ///
    /// - Throws: ``RouterError`` when it could not listen.
    public var boundAddress: SocketAddress {
        get async throws { try await binding.address() }
    }

    /// The address for TLS; waits until the router listens there.
    ///
    /// - Throws: ``RouterError`` when it could not listen, or has no certificate.
    public var boundTLSAddress: SocketAddress {
        get async throws { try await tlsBinding.address() }
    }

    /// Listens and serves until graceful shutdown or cancellation.
    ///
    /// Graceful shutdown closes idle connections that have had an answer, gives new ones, requests and tunnels
    /// `shutdownGrace` to end, then cuts them off. Cancellation cuts off at once. When this returns, the address is free and no connection is left. It also
    /// returns after ``handOver(grace:)``.
    /// - Throws: ``RouterError`` when the address cannot be listened on.
    public func run() async throws {
        let loops = try await makeLoops()
        let servers = try await listen(loops)
        let observer = table.addObserver { [table] in
            for (eventLoop, loop) in loops {
                eventLoop.execute { loop.value.pool.closeIdle { table.isRouted($0) } }
            }
        }
        defer { table.removeObserver(observer) }
        try await withTaskCancellationOrGracefulShutdownHandler {
            for server in servers { try await server.closeFuture.get() }
        } onCancelOrGracefulShutdown: {
            // The sockets may be somebody else's as well, such as the service manager's: who has been accepted is served.
            for server in servers { Self.stopAccepting(server, loops) }
        }
        try await shutDown(loops)
    }

    /// Leaves the listening socket to another process that has a copy of it: accepts nothing any more, and lets every
    /// connection have one more answer, which says that the connection closes. Then ``run()`` returns.
    ///
    /// Idle connections stay open for the time of grace, because a client may send a request at any moment. What is
    /// under way then goes on: requests have limits of their own, and there is none for a live stream.
    public func handOver(grace: Duration) {
        handover.begin(grace: grace)
    }

    /// Closes the listening channel once every connection that it has accepted is set up: NIO drops those that are not
    /// when it closes.
    private static func stopAccepting(_ server: any Channel, _ loops: Loops) {
        server.setOption(.autoRead, value: false).whenComplete { _ in
            // To every loop and back: what was on its way there has arrived.
            let rounds = loops.map { eventLoop, _ in eventLoop.submit {}.hop(to: server.eventLoop) }
            EventLoopFuture.andAllComplete(rounds, on: server.eventLoop).flatMap { server.eventLoop.submit {} }
                .whenComplete { _ in server.close(mode: .all, promise: nil) }
        }
    }

    private typealias Loops = [(eventLoop: any EventLoop, loop: NIOLoopBound<RouterLoop>)]

    private func makeLoops() async throws -> Loops {
        let limiter = ConnectionLimiter(limits: configuration.limits)
        var loops: Loops = []
        for eventLoop in eventLoopGroup.makeIterator() {
            let loop = try await eventLoop.submit { [configuration, table, sockets, accessLog] in
                NIOLoopBound(
                    RouterLoop(
                        eventLoop: eventLoop, configuration: configuration, table: table, limiter: limiter,
                        sockets: sockets, accessLog: accessLog), eventLoop: eventLoop)
            }.get()
            loops.append((eventLoop, loop))
        }
        return loops
    }

    private func listen(_ loops: Loops) async throws -> [any Channel] {
        var servers: [any Channel] = []
        do {
            servers.append(
                try await listen(
                    loops, host: configuration.host, port: configuration.port, socket: listeningSocket, tls: nil))
            if let tls {
                servers.append(
                    try await listen(loops, host: tls.host, port: tls.port, socket: tls.listeningSocket, tls: tls.tls))
            }
        } catch {
            for server in servers { server.close(mode: .all, promise: nil) }
            binding.fail(error)
            tlsBinding.fail(error)
            throw error
        }
        for (server, binding) in zip(servers, [binding, tlsBinding]) {
            if let address = server.localAddress { binding.succeed(address) }
        }
        if tls == nil { tlsBinding.fail(RouterError.noCertificate) }
        let listening = servers
        handover.set { for server in listening { Self.stopAccepting(server, loops) } }
        return servers
    }

    /// TCP_NOTSENT_LOWAT of linux/tcp.h.
    private static let unsentLowWater = NIOBSDSocket.Option(rawValue: 25)
    /// What the kernel takes of an answer before it has sent it. Without a bound that grows to megabytes for a slow client,
    /// and only when a third of them is gone is there room again, which is all that is seen of the client's taking something.
    private static let maxUnsentBytes = 128 << 10

    private func listen(
        _ loops: Loops, host: String, port: Int, socket: NIOBSDSocket.Handle?, tls: RouterTLS?
    ) async throws -> any Channel {
        let byEventLoop = Dictionary(uniqueKeysWithValues: loops.map { (ObjectIdentifier($0.eventLoop), $0.loop) })
        let bootstrap = ServerBootstrap(group: eventLoopGroup)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.tcpOption(Self.unsentLowWater), value: Self.maxUnsentBytes)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let loop = byEventLoop[ObjectIdentifier(channel.eventLoop)]?.value,
                        !loop.isShuttingDown, let address = channel.remoteAddress?.ipAddress,
                        loop.limiter.admit(address)
                    else { throw ChannelError.ioOnClosedChannel }
                    let client = Client(address: address, isEncrypted: tls != nil)
                    try ClientPipeline(loop: loop, client: client).configure(channel, tls: tls)
                }
            }
        let address = "\(host):\(port)"
        do {
            let channel =
                if let socket {
                    try await bootstrap.withBoundSocket(socket).get()
                } else {
                    try await bootstrap.bind(host: host, port: port).get()
                }
            logger.debug("the router listens", metadata: ["address": "\(address)"])
            return channel
        } catch let error as IOError {
            throw RouterError.cannotListen(address: address, cause: error, errno: error.errnoCode)
        } catch {
            throw RouterError.cannotListen(address: address, cause: error, errno: nil)
        }
    }

    private func shutDown(_ loops: Loops) async throws {
        @Sendable func cutAll() {
            for (eventLoop, loop) in loops { eventLoop.execute { loop.value.cutAll() } }
        }
        logger.debug("the router waits for open requests")
        let grace = handover.grace
        let cut = loops.first?.eventLoop.scheduleTask(in: TimeAmount(grace ?? configuration.shutdownGrace)) {
            if grace == nil { return cutAll() }
            for (eventLoop, loop) in loops { eventLoop.execute { loop.value.closeIdle() } }
        }
        defer { cut?.cancel() }
        try await withTaskCancellationHandler {
            try await withGracefulShutdownHandler {
                let ended = loops.map { eventLoop, loop in
                    eventLoop.flatSubmit { loop.value.shutDown(keepingIdle: grace != nil) }
                }
                for future in ended { try await future.get() }
            } onGracefulShutdown: {
                // It is why we are here, unless the socket was handed over: then it means to hurry.
                if grace != nil { cutAll() }
            }
        } onCancel: {
            cutAll()
        }
    }
}
