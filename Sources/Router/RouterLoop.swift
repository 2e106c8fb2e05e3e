// SPDX-License-Identifier: Apache-2.0

import NIOCore
import PaaSModel

/// What the connections of one event loop share. Used on that loop only.
final class RouterLoop {
    let eventLoop: any EventLoop
    let configuration: RouterConfiguration
    let table: RouteTable
    let limiter: ConnectionLimiter
    let pool: UpstreamPool
    let accessLog: (@Sendable (AccessRecord) -> Void)?
    /// Answers say `Connection: close` from now on.
    private(set) var isShuttingDown = false
    private var connections: [ObjectIdentifier: FrontConnection] = [:]
    private var allGone: EventLoopPromise<Void>?
    private let idPrefix = RouterLoop.hex(UInt64.random(in: .min ... .max), digits: 16)
    private var nextID: UInt64 = 0
    private var date = (second: Int64(-1), text: "")

    init(
        eventLoop: any EventLoop, configuration: RouterConfiguration, table: RouteTable, limiter: ConnectionLimiter,
        accessLog: (@Sendable (AccessRecord) -> Void)?
    ) {
        self.eventLoop = eventLoop
        self.configuration = configuration
        self.table = table
        self.limiter = limiter
        self.accessLog = accessLog
        self.pool = UpstreamPool(eventLoop: eventLoop, configuration: configuration)
    }

    /// An X-Request-Id that no other request has: 64 random bits of this loop and a count.
    func requestID() -> String {
        nextID += 1
        return idPrefix + Self.hex(nextID, digits: 8)
    }

    /// The Date field's value now.
    func dateText() -> String {
        let second = Timestamp.now.microseconds / 1_000_000
        if second != date.second { date = (second, HTTPDate.text(secondsSinceEpoch: second)) }
        return date.text
    }

    // MARK: - Connections

    func add(_ connection: FrontConnection) {
        connections[ObjectIdentifier(connection)] = connection
    }

    func remove(_ connection: FrontConnection) {
        connections[ObjectIdentifier(connection)] = nil
        guard connections.isEmpty, let allGone else { return }
        self.allGone = nil
        pool.closeAll()
        allGone.succeed()
    }

    /// Closes the connections that have no request, and the others after theirs.
    ///
    /// - Returns: succeeds when the last one is gone; ``cutAll()`` hastens it.
    func shutDown() -> EventLoopFuture<Void> {
        isShuttingDown = true
        pool.closeAll()
        guard !connections.isEmpty else { return eventLoop.makeSucceededVoidFuture() }
        let promise = allGone ?? eventLoop.makePromise(of: Void.self)
        allGone = promise
        for connection in Array(connections.values) { connection.closeWhenIdle() }
        return promise.futureResult
    }

    /// Cuts every connection off.
    func cutAll() {
        for connection in Array(connections.values) { connection.cut() }
    }

    private static func hex(_ value: UInt64, digits: Int) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
