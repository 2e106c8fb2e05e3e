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
    private let accessLog: (@Sendable (AccessRecord) -> Void)?
    private let binding = Binding()

    /// Creates a router that does not listen yet.
    ///
    /// - Parameters:
    ///   - eventLoopGroup: not shut down by the router.
    ///   - accessLog: called once for every request when it is over, on an event loop: it must not block.
    public init(
        configuration: RouterConfiguration, table: RouteTable, eventLoopGroup: any EventLoopGroup, logger: Logger,
        accessLog: (@Sendable (AccessRecord) -> Void)? = nil
    ) {
        self.configuration = configuration
        self.table = table
        self.eventLoopGroup = eventLoopGroup
        self.logger = logger
        self.accessLog = accessLog
    }

    /// The address that the router listens on; waits until it does.
    ///
    /// - Throws: ``RouterError`` when it could not listen.
    public var boundAddress: SocketAddress {
        get async throws { try await binding.address() }
    }

    /// Listens and serves until graceful shutdown or cancellation.
    ///
    /// Graceful shutdown closes idle connections, gives requests and tunnels `shutdownGrace` to end, then cuts them
    /// off. Cancellation cuts off at once. When this returns, the address is free and no connection is left.
    /// - Throws: ``RouterError`` when the address cannot be listened on.
    public func run() async throws {
        let loops = try await makeLoops()
        let server: any Channel
        do {
            server = try await listen(loops)
            if let address = server.localAddress { binding.succeed(address) }
        } catch {
            binding.fail(error)
            throw error
        }
        let observer = table.addObserver { [table] in
            for (eventLoop, loop) in loops {
                eventLoop.execute { loop.value.pool.closeIdle { table.isRouted($0) } }
            }
        }
        defer { table.removeObserver(observer) }
        try await withTaskCancellationOrGracefulShutdownHandler {
            try await server.closeFuture.get()
        } onCancelOrGracefulShutdown: {
            server.close(mode: .all, promise: nil)
        }
        try await shutDown(loops)
    }

    private typealias Loops = [(eventLoop: any EventLoop, loop: NIOLoopBound<RouterLoop>)]

    private func makeLoops() async throws -> Loops {
        let limiter = ConnectionLimiter(limits: configuration.limits)
        var loops: Loops = []
        for eventLoop in eventLoopGroup.makeIterator() {
            let loop = try await eventLoop.submit { [configuration, table, accessLog] in
                NIOLoopBound(
                    RouterLoop(
                        eventLoop: eventLoop, configuration: configuration, table: table, limiter: limiter,
                        accessLog: accessLog), eventLoop: eventLoop)
            }.get()
            loops.append((eventLoop, loop))
        }
        return loops
    }

    private func listen(_ loops: Loops) async throws -> any Channel {
        let byEventLoop = Dictionary(uniqueKeysWithValues: loops.map { (ObjectIdentifier($0.eventLoop), $0.loop) })
        let bootstrap = ServerBootstrap(group: eventLoopGroup)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let loop = byEventLoop[ObjectIdentifier(channel.eventLoop)]?.value,
                        !loop.isShuttingDown, let address = channel.remoteAddress?.ipAddress,
                        loop.limiter.admit(address)
                    else { throw ChannelError.ioOnClosedChannel }
                    try channel.pipeline.syncOperations.addHandler(FrontConnection(loop: loop, address: address))
                }
            }
        let address = "\(configuration.host):\(configuration.port)"
        do {
            let channel = try await bootstrap.bind(host: configuration.host, port: configuration.port).get()
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
        let cut = loops.first?.eventLoop.scheduleTask(in: TimeAmount(configuration.shutdownGrace)) { cutAll() }
        defer { cut?.cancel() }
        try await withTaskCancellationHandler {
            let ended = loops.map { eventLoop, loop in eventLoop.flatSubmit { loop.value.shutDown() } }
            for future in ended { try await future.get() }
        } onCancel: {
            cutAll()
        }
    }
}
