// SPDX-License-Identifier: Apache-2.0

import NIOCore
import PaaSModel

/// A connection that has to end before the router does. Used on its event loop only.
protocol LoopConnection: AnyObject {
    /// It has had no request yet, and cannot tell its client to send none.
    var isNew: Bool { get }
    /// Closes now when there is no request; else after it.
    func closeWhenIdle()
    /// Closes now, whatever is going on.
    func cut()
    /// The router accepts nothing any more: answers say so from now on.
    func willShutDown()
}

/// What the connections of one event loop share. Used on that loop only.
final class RouterLoop {
    let thread: any LoopThread
    let configuration: RouterConfiguration
    let table: RouteTable
    let limiter: ConnectionLimiter
    let pool: UpstreamPool
    let accessLog: (@Sendable (AccessRecord) -> Void)?
    /// Answers say `Connection: close` from now on.
    private(set) var isShuttingDown = false
    /// Connections without a request stay all the same, for one more.
    private(set) var keepsIdle = false
    private var connections: [ObjectIdentifier: any LoopConnection] = [:]
    private var onAllGone: [@Sendable () -> Void] = []
    private var idPrefix = UInt64.random(in: .min ... .max)
    private var nextID: UInt32 = 0
    /// Memory for answers of HTTP/2: of each stream, and of what several say together.
    var answers = SpareBuffers(capacity: 2 << 10, largest: HTTP2Stream.keptAnswer, most: mostSpares)
    var outputs = SpareBuffers(capacity: 8 << 10, largest: 128 << 10, most: 16)
    private(set) var spareFronts: [FrontConnection] = []
    private var date = (second: Int64(-1), text: "")

    /// Streams of HTTP/2 that are over leave so many of what they used to others.
    private static let mostSpares = 256

    init(
        thread: any LoopThread, configuration: RouterConfiguration, table: RouteTable, limiter: ConnectionLimiter,
        sockets: UpstreamSocketSource?, accessLog: (@Sendable (AccessRecord) -> Void)?
    ) {
        self.thread = thread
        self.configuration = configuration
        self.table = table
        self.limiter = limiter
        self.accessLog = accessLog
        self.pool = UpstreamPool(thread: thread, configuration: configuration, sockets: sockets)
    }

    /// An X-Request-Id that no other request has.
    func requestID() -> RequestID {
        nextID &+= 1
        if nextID == 0 { idPrefix = .random(in: .min ... .max) }
        return RequestID(loop: idPrefix, number: UInt64(nextID))
    }

    /// The Date field's value now.
    func dateText() -> String {
        let second = Timestamp.now.microseconds / 1_000_000
        if second != date.second { date = (second, HTTPDate.text(secondsSinceEpoch: second)) }
        return date.text
    }

    // MARK: - Streams

    /// Who serves a new stream of HTTP/2.
    ///
    /// - Parameter memo: where the same client's last request went.
    func front(client: Client, memo: RouteMemo) -> FrontConnection {
        while var spare = spareFronts.popLast() {
            // An exchange that is over may still wait for something.
            guard isKnownUniquelyReferenced(&spare) else {
                spare.timer.cancel()
                continue
            }
            spare.reuse(client: client, memo: memo)
            return spare
        }
        return FrontConnection(loop: self, client: client, memo: memo, isStream: true)
    }

    /// Takes back whose stream is over.
    func giveBack(_ front: FrontConnection) {
        guard spareFronts.count < Self.mostSpares, !isShuttingDown else { return front.timer.cancel() }
        spareFronts.append(front)
    }

    // MARK: - Connections

    func add(_ connection: any LoopConnection) {
        connections[ObjectIdentifier(connection)] = connection
    }

    func remove(_ connection: any LoopConnection) {
        connections[ObjectIdentifier(connection)] = nil
        guard connections.isEmpty, !onAllGone.isEmpty else { return }
        let waiting = onAllGone
        onAllGone = []
        pool.closeAll()
        for body in waiting { body() }
    }

    /// Closes the connections that have no request and have had one, and the others after theirs.
    ///
    /// - Parameters:
    ///   - keepingIdle: those without a request stay for one more.
    ///   - onEnd: called when the last one is gone; ``cutAll()`` hastens it.
    func shutDown(keepingIdle: Bool = false, onEnd: @escaping @Sendable () -> Void) {
        isShuttingDown = true
        for front in spareFronts { front.timer.cancel() }
        spareFronts = []
        keepsIdle = keepingIdle
        guard !connections.isEmpty else {
            pool.closeAll()
            return onEnd()
        }
        onAllGone.append(onEnd)
        for connection in Array(connections.values) { connection.willShutDown() }
        if !keepingIdle { closeIdle(keepingNew: true) }
    }

    /// Closes the connections that have no request, now and from now on.
    ///
    /// - Parameter keepingNew: those that have had none yet stay for it: it may be under way.
    func closeIdle(keepingNew: Bool = false) {
        keepsIdle = false
        pool.closeAll()
        for connection in Array(connections.values) where !(keepingNew && connection.isNew) {
            connection.closeWhenIdle()
        }
    }

    /// Cuts every connection off.
    func cutAll() {
        for connection in Array(connections.values) { connection.cut() }
    }
}
