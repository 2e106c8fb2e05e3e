// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// The idle connections of one event loop to apps, and the way to new ones.
///
/// While there is no idle connection there is no timer.
final class UpstreamPool {
    /// The idle connections to one instance.
    final class Shelf {
        fileprivate var connections: [UpstreamConnection] = []

        /// Forgets a connection that was closed while idle.
        func remove(_ connection: UpstreamConnection) {
            connection.shelf = nil
            connections.removeAll { $0 === connection }
        }
    }

    private let thread: any LoopThread
    private let configuration: RouterConfiguration
    private let sockets: UpstreamSocketSource?
    private var shelves: [ObjectIdentifier: (instance: Instance, shelf: Shelf)] = [:]
    /// Where the last connection came from or went: mostly the next one does too.
    private var last: (instance: Instance, shelf: Shelf)?
    private let sweepTimer: DeadlineTimer
    private var isClosed = false

    init(thread: any LoopThread, configuration: RouterConfiguration, sockets: UpstreamSocketSource?) {
        self.thread = thread
        self.configuration = configuration
        self.sockets = sockets
        sweepTimer = DeadlineTimer(thread: thread)
        sweepTimer.onExpiry = { [unowned self] in sweep() }
    }

    /// Takes the connection that was used last: it is the least likely to be about to be closed by the app.
    func take(_ instance: Instance) -> UpstreamConnection? {
        guard let connection = shelf(of: instance)?.connections.popLast() else { return nil }
        connection.shelf = nil
        return connection
    }

    /// Keeps a connection that has no request, or closes it when there are enough.
    func put(_ connection: UpstreamConnection) {
        guard !isClosed else { return connection.close() }
        let shelf = shelf(of: connection.instance) ?? makeShelf(for: connection.instance)
        guard shelf.connections.count < configuration.limits.idleUpstreamConnections else { return connection.close() }
        connection.becomeIdle(at: thread.now)
        guard connection.isUsable else { return }
        connection.shelf = shelf
        shelf.connections.append(connection)
        scheduleSweep()
    }

    private func shelf(of instance: Instance) -> Shelf? {
        if let last, last.instance === instance { return last.shelf }
        last = shelves[ObjectIdentifier(instance)]
        return last?.shelf
    }

    private func makeShelf(for instance: Instance) -> Shelf {
        let shelf = Shelf()
        shelves[ObjectIdentifier(instance)] = (instance, shelf)
        last = (instance, shelf)
        return shelf
    }

    /// Opens a connection.
    func connect(_ instance: Instance, completion: @escaping (Result<UpstreamConnection, any Error>) -> Void) {
        let upstream = instance.upstream
        if let socket = sockets?(upstream, thread.outside, configuration.connectTimeout) {
            return thread.receive(socket) { [thread] result in
                do {
                    let connection = UpstreamConnection(instance: instance)
                    thread.adopt(connection, socket: try result.get()) { completion($0.map { connection }) }
                } catch {
                    completion(.failure(error))
                }
            }
        }
        if let address = try? SocketAddress(ipAddress: upstream.host, port: upstream.port) {
            return connect(instance, to: [address], completion: completion)
        }
        thread.receive(HostAddresses.find(upstream.host, port: upstream.port, on: thread.outside)) { [self] result in
            switch result {
            case .success(let addresses): connect(instance, to: addresses[...], completion: completion)
            case .failure(let error): completion(.failure(error))
            }
        }
    }

    /// Tries one address after the other.
    private func connect(
        _ instance: Instance, to addresses: ArraySlice<SocketAddress>,
        completion: @escaping (Result<UpstreamConnection, any Error>) -> Void
    ) {
        guard let address = addresses.first else { return }
        let connection = UpstreamConnection(instance: instance)
        thread.connect(connection, to: address, timeout: configuration.connectTimeout) { [self] result in
            switch result {
            case .success: completion(.success(connection))
            case .failure where addresses.count > 1:
                connect(instance, to: addresses.dropFirst(), completion: completion)
            case .failure(let error): completion(.failure(error))
            }
        }
    }

    /// Closes the idle connections to instances that the predicate does not want: an app that stops gracefully may
    /// wait for them.
    func closeIdle(unless isWanted: (Instance) -> Bool) {
        for (id, place) in shelves where !isWanted(place.instance) {
            shelves[id] = nil
            close(place.shelf.connections)
        }
        last = nil
    }

    private func close(_ connections: [UpstreamConnection]) {
        for connection in connections { connection.close() }
    }

    /// Closes the idle connections and keeps none from now on.
    func closeAll() {
        isClosed = true
        sweepTimer.cancel()
        closeIdle { _ in false }
    }

    private func scheduleSweep() {
        guard !sweepTimer.isSet else { return }
        sweepTimer.set(configuration.upstreamIdleTimeout)
    }

    private func sweep() {
        let limit = thread.now - TimeAmount(configuration.upstreamIdleTimeout)
        for (id, place) in shelves {
            close(place.shelf.connections.filter { $0.idleSince <= limit })
            if place.shelf.connections.isEmpty { shelves[id] = nil }
        }
        last = nil
        if !shelves.isEmpty { scheduleSweep() }
    }
}
