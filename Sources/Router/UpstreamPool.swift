// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix

/// The idle connections of one event loop to apps, and the way to new ones.
///
/// While there is no idle connection there is no timer.
final class UpstreamPool {
    private let eventLoop: any EventLoop
    private let configuration: RouterConfiguration
    private let sockets: UpstreamSocketSource?
    private var idle: [Upstream: [UpstreamConnection]] = [:]
    private var isSweepScheduled = false
    private var isClosed = false

    init(eventLoop: any EventLoop, configuration: RouterConfiguration, sockets: UpstreamSocketSource?) {
        self.eventLoop = eventLoop
        self.configuration = configuration
        self.sockets = sockets
    }

    /// Takes the connection that was used last: it is the least likely to be about to be closed by the app.
    func take(_ upstream: Upstream) -> UpstreamConnection? {
        guard let connection = idle[upstream]?.popLast() else { return nil }
        connection.pool = nil
        if idle[upstream]?.isEmpty == true { idle[upstream] = nil }
        return connection
    }

    /// Keeps a connection that has no request, or closes it when there are enough.
    func put(_ connection: UpstreamConnection) {
        guard !isClosed, idle[connection.upstream, default: []].count < configuration.limits.idleUpstreamConnections
        else { return connection.close() }
        connection.becomeIdle(at: eventLoop.now)
        guard connection.isUsable else { return }
        connection.pool = self
        idle[connection.upstream, default: []].append(connection)
        scheduleSweep()
    }

    /// Forgets a connection that was closed while idle.
    func remove(_ connection: UpstreamConnection) {
        connection.pool = nil
        idle[connection.upstream]?.removeAll { $0 === connection }
        if idle[connection.upstream]?.isEmpty == true { idle[connection.upstream] = nil }
    }

    /// Opens a connection; the future's channel has an ``UpstreamConnection`` as its only handler.
    func connect(_ upstream: Upstream) -> EventLoopFuture<any Channel> {
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(TimeAmount(configuration.connectTimeout))
            .channelOption(.autoRead, value: false)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(UpstreamConnection(upstream: upstream))
                }
            }
        if let socket = sockets?(upstream, eventLoop, configuration.connectTimeout) {
            return socket.flatMap { bootstrap.withConnectedSocket($0) }
        }
        if let address = try? SocketAddress(ipAddress: upstream.host, port: upstream.port) {
            return bootstrap.connect(to: address)
        }
        return bootstrap.connect(host: upstream.host, port: upstream.port)
    }

    /// Closes the idle connections to instances that the predicate does not want: an app that stops gracefully may
    /// wait for them.
    func closeIdle(unless isWanted: (Upstream) -> Bool) {
        for (upstream, connections) in idle where !isWanted(upstream) {
            idle[upstream] = nil
            for connection in connections { connection.close() }
        }
    }

    /// Closes the idle connections and keeps none from now on.
    func closeAll() {
        isClosed = true
        closeIdle { _ in false }
    }

    private func scheduleSweep() {
        guard !isSweepScheduled, !idle.isEmpty else { return }
        isSweepScheduled = true
        eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(configuration.upstreamIdleTimeout)) { self.sweep() }
    }

    private func sweep() {
        isSweepScheduled = false
        let limit = eventLoop.now - TimeAmount(configuration.upstreamIdleTimeout)
        for (upstream, connections) in idle {
            let kept = connections.filter { $0.idleSince > limit }
            idle[upstream] = kept.isEmpty ? nil : kept
            for connection in connections where connection.idleSince <= limit { connection.close() }
        }
        scheduleSweep()
    }
}
