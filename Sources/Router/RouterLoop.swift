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
    let eventLoop: any EventLoop
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
    private var allGone: EventLoopPromise<Void>?
    private let idPrefix = UInt64.random(in: .min ... .max)
    private var nextID: UInt64 = 0
    private var date = (second: Int64(-1), text: "")

    init(
        eventLoop: any EventLoop, configuration: RouterConfiguration, table: RouteTable, limiter: ConnectionLimiter,
        sockets: UpstreamSocketSource?, accessLog: (@Sendable (AccessRecord) -> Void)?
    ) {
        self.eventLoop = eventLoop
        self.configuration = configuration
        self.table = table
        self.limiter = limiter
        self.accessLog = accessLog
        self.pool = UpstreamPool(eventLoop: eventLoop, configuration: configuration, sockets: sockets)
    }

    /// An X-Request-Id that no other request has: 64 random bits of this loop and a count.
    func requestID() -> String {
        nextID += 1
        // Every request has one, so it is made in place.
        return String(unsafeUninitializedCapacity: 24) { text in
            for index in 0..<16 { text[index] = Self.hexDigit(idPrefix >> UInt64(60 - 4 * index)) }
            for index in 0..<8 { text[16 + index] = Self.hexDigit(nextID >> UInt64(28 - 4 * index)) }
            return 24
        }
    }

    private static func hexDigit(_ value: UInt64) -> UInt8 {
        let digit = UInt8(value & 0xF)
        return digit < 10 ? 0x30 + digit : 0x57 + digit
    }

    /// The Date field's value now.
    func dateText() -> String {
        let second = Timestamp.now.microseconds / 1_000_000
        if second != date.second { date = (second, HTTPDate.text(secondsSinceEpoch: second)) }
        return date.text
    }

    // MARK: - Connections

    func add(_ connection: any LoopConnection) {
        connections[ObjectIdentifier(connection)] = connection
    }

    func remove(_ connection: any LoopConnection) {
        connections[ObjectIdentifier(connection)] = nil
        guard connections.isEmpty, let allGone else { return }
        self.allGone = nil
        pool.closeAll()
        allGone.succeed()
    }

    /// Closes the connections that have no request and have had one, and the others after theirs.
    ///
    /// - Parameter keepingIdle: those without a request stay for one more.
    /// - Returns: succeeds when the last one is gone; ``cutAll()`` hastens it.
    func shutDown(keepingIdle: Bool = false) -> EventLoopFuture<Void> {
        isShuttingDown = true
        keepsIdle = keepingIdle
        guard !connections.isEmpty else {
            pool.closeAll()
            return eventLoop.makeSucceededVoidFuture()
        }
        let promise = allGone ?? eventLoop.makePromise(of: Void.self)
        allGone = promise
        for connection in Array(connections.values) { connection.willShutDown() }
        if !keepingIdle { closeIdle(keepingNew: true) }
        return promise.futureResult
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
