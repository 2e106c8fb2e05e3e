// SPDX-License-Identifier: Apache-2.0

import LinuxSystem
public import Logging
public import NIOCore
public import ServiceLifecycle

/// The HTTP reverse proxy in front of a node's apps.
///
/// Every connection, its requests and the connections to apps that they use live on one loop, a thread of its own; loops share
/// only the route table and the connection counts. Without a connection the router has no timer and makes no system call.
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
    ///   - eventLoopGroup: says how many loops there are, and waits for name servers and network namespaces; not shut down by
    ///     the router.
    ///   - logger: gets what goes wrong.
    ///   - sockets: asked before a connection to an instance is opened by its address.
    ///   - listeningSocket: a socket that listens already, which the router closes; instead of the configuration's
    ///     address.
    ///   - tls: a second socket, for connections that begin with a TLS handshake.
    ///   - accessLog: called once for every request when it is over, on a loop's thread: it must not block.
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
        // Ours from here on, whatever fails.
        let socket = listeningSocket.map { Shared(OwnedDescriptor(adopting: $0)) }
        let tlsSocket = tls?.listeningSocket.map { Shared(OwnedDescriptor(adopting: $0)) }
        let loops = try await beginning { try makeLoops() }
        defer { for loop in loops { loop.thread.stop() } }
        let listeners = try await beginning { try await listen(socket, tlsSocket, loops) }
        let observer = table.addObserver { [table] in
            for loop in loops { loop.run { loop in loop.pool.closeIdle { table.isRouted($0) } } }
        }
        defer { table.removeObserver(observer) }
        try await withTaskCancellationOrGracefulShutdownHandler {
            for listener in listeners { try await listener.closed.get() }
        } onCancelOrGracefulShutdown: {
            // The sockets may be somebody else's as well, such as the service manager's: who has been accepted is served.
            for listener in listeners { listener.stop() }
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

    // MARK: - The beginning

    /// A failure is told to those who wait for the addresses.
    private func beginning<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch {
            binding.fail(error)
            tlsBinding.fail(error)
            throw error
        }
    }

    /// As many as the group has.
    private func makeLoops() throws -> [LoopHandle] {
        let limiter = ConnectionLimiter(limits: configuration.limits)
        var loops: [LoopHandle] = []
        do {
            for eventLoop in eventLoopGroup.makeIterator() {
                let thread = try SocketLoop(outside: eventLoop)
                try thread.start()
                loops.append(
                    LoopHandle(thread: thread) { [configuration, table, sockets, accessLog] thread in
                        RouterLoop(
                            thread: thread, configuration: configuration, table: table, limiter: limiter,
                            sockets: sockets, accessLog: accessLog)
                    })
            }
        } catch {
            for loop in loops { loop.thread.stop() }
            throw RouterError.cannotListen(
                address: "\(configuration.host):\(configuration.port)", cause: error, errno: nil)
        }
        return loops
    }

    private func listen(
        _ socket: Shared<OwnedDescriptor>?, _ tlsSocket: Shared<OwnedDescriptor>?, _ loops: [LoopHandle]
    ) async throws -> [Listener] {
        func open(
            _ host: String, _ port: Int, _ socket: Shared<OwnedDescriptor>?, _ tls: RouterTLS?
        ) async throws -> Listener {
            try await .open(
                host: host, port: port, socket: socket, tls: tls, loops: loops, eventLoop: eventLoopGroup.any(),
                logger: logger)
        }
        var listeners: [Listener] = []
        do {
            listeners.append(try await open(configuration.host, configuration.port, socket, nil))
            if let tls { listeners.append(try await open(tls.host, tls.port, tlsSocket, tls.tls)) }
        } catch {
            for listener in listeners {
                listener.stop()
                try? await listener.closed.get()
            }
            throw error
        }
        for (listener, binding) in zip(listeners, [binding, tlsBinding]) {
            logger.debug("the router listens", metadata: ["address": "\(listener.address)"])
            binding.succeed(listener.address)
        }
        if tls == nil { tlsBinding.fail(RouterError.noCertificate) }
        let listening = listeners
        handover.set { for listener in listening { listener.stop() } }
        return listeners
    }

    // MARK: - The end

    private func shutDown(_ loops: [LoopHandle]) async throws {
        @Sendable func cutAll() {
            for loop in loops { loop.run { $0.cutAll() } }
        }
        logger.debug("the router waits for open requests")
        let grace = handover.grace
        let cut = eventLoopGroup.any().scheduleTask(in: TimeAmount(grace ?? configuration.shutdownGrace)) {
            if grace == nil { return cutAll() }
            for loop in loops { loop.run { $0.closeIdle() } }
        }
        defer { cut.cancel() }
        try await withTaskCancellationHandler {
            try await withGracefulShutdownHandler {
                let ended = loops.map { loop in
                    let promise = loop.thread.outside.makePromise(of: Void.self)
                    loop.run { $0.shutDown(keepingIdle: grace != nil) { promise.succeed() } }
                    return promise.futureResult
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
