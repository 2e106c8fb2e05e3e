// SPDX-License-Identifier: Apache-2.0

public import LinuxSystem
public import Logging
public import NIOCore
import NIOPosix
import Synchronization

/// The host's side of instances that have a network namespace of their own: their ports on 127.0.0.1, and the way in.
///
/// An instance's port is held here from its first start until it is released, over all restarts, so nobody else can
/// listen on it meanwhile. A connection to it is passed on to the instance's run. Who speaks for itself, as the router
/// does, gets a socket of the run directly. Everything waits for events; without a connection nothing runs.
public final class AppNetwork: Sendable {
    /// Connections to one instance's port that are passed on at a time; more are closed at once.
    public static let connectionLimit = 1_000
    /// Longest wait for an app to take a connection.
    public static let connectTimeout = Duration.seconds(5)

    private struct HeldPort {
        var port: UInt16
        /// The listening socket once more, to hand it on.
        var socket: Shared<OwnedDescriptor>
        var channel: EventLoopFuture<any Channel>
    }

    private struct State {
        /// By instance: the one owner of every listening socket.
        var ports: [String: HeldPort] = [:]
        /// Instances with a network of their own: their addresses on the host lead to strangers, or nowhere.
        var members: Set<String> = []
        /// Directories of live runs, by instance.
        var runs: [String: String] = [:]
        var connections: [String: Int] = [:]
    }

    private let state = Mutex(State())
    private let connectors: Connectors
    private let eventLoopGroup: any EventLoopGroup
    private let logger: Logger

    /// Starts with no port held.
    ///
    /// - Parameters:
    ///   - eventLoopGroup: of NIOPosix; not shut down here.
    ///   - logger: gets what goes wrong with connections.
    /// - Throws: an error of the system when it cannot make the descriptors of a thread.
    public init(eventLoopGroup: any EventLoopGroup, logger: Logger) throws {
        connectors = try Connectors()
        self.eventLoopGroup = eventLoopGroup
        self.logger = logger
    }

    // MARK: Ports

    /// Listens on 127.0.0.1:port for an instance. Does not block.
    ///
    /// - Throws: an error of the system: somebody else has the port.
    public func hold(port: UInt16, instanceID: String) throws {
        if state.withLock({ $0.ports[instanceID]?.port == port }) { return }
        release(instanceID: instanceID)
        try serve(Shared(TCPSocket.listenOnLoopback(port: port)), port: port, instanceID: instanceID)
    }

    /// Goes on with a socket that another process has listened on; see ``hold(port:instanceID:)``.
    public func adopt(_ socket: Shared<OwnedDescriptor>, port: UInt16, instanceID: String) {
        do {
            try serve(socket, port: port, instanceID: instanceID)
        } catch {
            logger.error("cannot take an app's port over", metadata: ["port": "\(port)", "error": "\(error)"])
        }
    }

    /// The sockets of all ports that are held, for another process.
    public var heldSockets: [(instanceID: String, port: UInt16, socket: Shared<OwnedDescriptor>)] {
        state.withLock { $0.ports.map { ($0.key, $0.value.port, $0.value.socket) } }
    }

    /// Listens no more, because another process does; connections that are open go on.
    public func leavePorts() {
        let held = state.withLock { state in
            defer { state.ports.removeAll() }
            return Array(state.ports.values)
        }
        for port in held { port.channel.whenSuccess { $0.close(promise: nil) } }
    }

    private func serve(_ socket: Shared<OwnedDescriptor>, port: UInt16, instanceID: String) throws(SystemError) {
        let channel = listen(try socket.value.duplicate().relinquish(), instanceID: instanceID)
        state.withLock { state in
            state.ports[instanceID] = HeldPort(port: port, socket: socket, channel: channel)
            state.members.insert(instanceID)
        }
        channel.whenFailure { [logger] error in
            logger.error("cannot serve an app's port", metadata: ["port": "\(port)", "error": "\(error)"])
        }
    }

    /// Gives an instance's port up, and forgets it. Connections that are open go on.
    public func release(instanceID: String) {
        let held = state.withLock { state in
            state.members.remove(instanceID)
            return state.ports.removeValue(forKey: instanceID)
        }
        held?.channel.whenSuccess { $0.close(promise: nil) }
    }

    /// The instance has a run, whose directory holds the connector's socket.
    public func open(instanceID: String, runDirectory: String) {
        state.withLock { state in
            state.runs[instanceID] = runDirectory
            state.members.insert(instanceID)
        }
    }

    /// The instance's run has ended.
    public func close(instanceID: String) {
        if let directory = state.withLock({ $0.runs.removeValue(forKey: instanceID) }) {
            connectors.disconnect(from: directory)
        }
    }

    /// Gives every port up and ends the connectors' thread. Blocks until that thread has ended.
    public func shutDown() {
        for instanceID in state.withLock({ Array($0.ports.keys) }) { release(instanceID: instanceID) }
        connectors.stop()
    }

    /// The listening channel of an instance's port.
    func listener(of instanceID: String) -> EventLoopFuture<any Channel>? {
        state.withLock { $0.ports[instanceID]?.channel }
    }

    // MARK: Connections

    /// A TCP socket that is connected to an instance's app, in the app's own network namespace. The caller owns it.
    ///
    /// - Returns: nil for an instance without a network of its own, which its address leads to; a failed future
    ///   (``AppNetworkError``) when the app cannot be reached.
    public func socket(
        to instanceID: String, on eventLoop: any NIOCore.EventLoop, timeout: Duration = AppNetwork.connectTimeout
    ) -> EventLoopFuture<NIOBSDSocket.Handle>? {
        let (directory, isMember) = state.withLock { ($0.runs[instanceID], $0.members.contains(instanceID)) }
        guard isMember else { return nil }
        guard let directory else {
            return eventLoop.makeFailedFuture(AppNetworkError(.notRunning, "it does not run"))
        }
        let promise = eventLoop.makePromise(of: NIOBSDSocket.Handle.self)
        connectors.connect(through: directory, timeout: timeout) {
            promise.completeWith($0.mapError { $0 as any Error })
        }
        return promise.futureResult
    }

    private func listen(_ socket: CInt, instanceID: String) -> EventLoopFuture<any Channel> {
        ServerBootstrap(group: eventLoopGroup)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelInitializer { [self] client in
                forward(client, to: instanceID).flatMapErrorThrowing { error in
                    // A reset, so that the client does not take it for an empty answer.
                    client.resetOnClose()
                    throw error
                }
            }
            .withBoundSocket(socket)
    }

    /// Joins a client to the app before the client's first byte is read.
    private func forward(_ client: any Channel, to instanceID: String) -> EventLoopFuture<Void> {
        let eventLoop = client.eventLoop
        guard admit(instanceID) else {
            return eventLoop.makeFailedFuture(AppNetworkError(.busy, "it has too many connections"))
        }
        client.closeFuture.whenComplete { [self] _ in leave(instanceID) }
        guard let socket = socket(to: instanceID, on: eventLoop) else {
            return eventLoop.makeFailedFuture(AppNetworkError(.notRunning, "its port was given up"))
        }
        return socket.flatMap { handle in
            ClientBootstrap(group: eventLoop)
                .channelOption(.autoRead, value: false)
                .channelOption(.allowRemoteHalfClosure, value: true)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .withConnectedSocket(handle)
        }.flatMapThrowing { app in
            let (clientSide, appSide) = ForwardHandler.pair()
            try client.pipeline.syncOperations.addHandler(clientSide)
            try app.pipeline.syncOperations.addHandler(appSide)
        }
    }

    private func admit(_ instanceID: String) -> Bool {
        state.withLock { state in
            let count = state.connections[instanceID, default: 0]
            guard count < Self.connectionLimit else { return false }
            state.connections[instanceID] = count + 1
            return true
        }
    }

    private func leave(_ instanceID: String) {
        state.withLock { state in
            let left = state.connections[instanceID, default: 1] - 1
            state.connections[instanceID] = left > 0 ? left : nil
        }
    }
}
