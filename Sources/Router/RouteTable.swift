// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOPosix
public import PaaSModel
internal import Synchronization

/// Which app is served where, and how many requests each instance is working on.
///
/// Choosing an upstream and counting the request happen in one step, so after ``set(app:route:)`` has returned no
/// request goes to an instance that is no longer in the table, and ``drain(upstreamID:deadline:)`` sees all that did.
public final class RouteTable: Sendable {
    private struct State {
        var routes: [String: Route] = [:]
        var turns: [String: Int] = [:]
        var routed: Set<Upstream> = []
        var inFlight: [String: Int] = [:]
        var inFlightOfApp: [String: Int] = [:]
        /// Instances that accepted no connection, and until when others are preferred.
        var ejected: [String: NIODeadline] = [:]
        /// Of instances that are in the table, or were and still work on something.
        var traffic: [String: UpstreamTraffic] = [:]
        var waiters: [Int: Waiter] = [:]
        var observers: [Int: @Sendable () -> Void] = [:]
        var nextKey = 0

        /// What speaks against choosing an instance: its requests, above all that it accepts no connection.
        func load(of candidate: Upstream, avoiding failed: Upstream?, now: NIODeadline) -> Int {
            if candidate == failed { return Int.max - 1 }
            if let until = ejected[candidate.id], until > now { return Int.max - 2 }
            return inFlight[candidate.id] ?? 0
        }

        mutating func key() -> Int {
            nextKey += 1
            return nextKey
        }

        mutating func routesChanged() -> [@Sendable () -> Void] {
            let before = routed
            routed = Set(routes.values.lazy.filter { $0.state == .ready }.flatMap(\.upstreams))
            for upstream in before.subtracting(routed) where inFlight[upstream.id] == nil { traffic[upstream.id] = nil }
            for upstream in before.subtracting(routed) { ejected[upstream.id] = nil }
            for upstream in routed where traffic[upstream.id] == nil { traffic[upstream.id] = UpstreamTraffic() }
            return before.isSubset(of: routed) ? [] : Array(observers.values)
        }
    }

    private struct Waiter {
        var upstreamID: String
        var continuation: CheckedContinuation<Void, Never>
    }

    private let state = Mutex(State())
    let counters = RequestCounters()

    /// Creates an empty table: every app is unknown.
    public init() {}

    /// Makes `route` the one that every later request of the app takes. Requests in flight are not touched.
    public func set(app: String, route: Route) {
        change { state in
            state.routes[app] = route
            counters.know(app) { state.routes[$0] != nil }
        }
    }

    /// Makes the app unknown: later requests are answered by 404.
    public func remove(app: String) {
        change {
            $0.routes[app] = nil
            $0.turns[app] = nil
        }
    }

    /// The app's route as it is now; nil for an unknown app.
    public func route(app: String) -> Route? {
        state.withLock { $0.routes[app] }
    }

    /// Requests and tunnels that an instance is working on now.
    public func inFlight(upstreamID: String) -> Int {
        state.withLock { $0.inFlight[upstreamID] ?? 0 }
    }

    /// What each instance in the table has answered, by the instance's id.
    public var traffic: [String: UpstreamTraffic] { state.withLock(\.traffic) }

    /// Requests by app since the router began, and those that belong to none, by class of status.
    public var requests: (apps: [String: RequestMetrics], unrouted: [String: Int64]) {
        var reading = counters.reading()
        state.withLock { state in
            for (app, route) in state.routes {
                let upstreams = Set(route.upstreams.map(\.id))
                reading.apps[app]?.inFlight = upstreams.reduce(0) { $0 + (state.inFlight[$1] ?? 0) }
            }
        }
        return reading
    }

    /// Waits until the upstream has no request or tunnel in flight, or the deadline passes, or the task is cancelled.
    ///
    /// Take the upstream out of the table first. Nothing is cut off here.
    /// - Returns: what was left in flight.
    public func drain(upstreamID: String, deadline: Duration) async -> Int {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.untilIdle(upstreamID) }
            group.addTask { await Self.sleep(for: deadline) }
            await group.next()
            group.cancelAll()
        }
        return inFlight(upstreamID: upstreamID)
    }

    /// On an event loop's timer: `Task.sleep` would start libdispatch's pool, whose monitor then wakes the process every
    /// second for ever.
    private static func sleep(for duration: Duration) async {
        let timer = MultiThreadedEventLoopGroup.singleton.any().scheduleTask(in: TimeAmount(duration)) {}
        await withTaskCancellationHandler {
            try? await timer.futureResult.get()
        } onCancel: {
            timer.cancel()
        }
    }

    private func untilIdle(_ upstreamID: String) async {
        let key = state.withLock { $0.key() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if Task.isCancelled || state.inFlight[upstreamID] == nil { return true }
                    state.waiters[key] = Waiter(upstreamID: upstreamID, continuation: continuation)
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: key) }?.continuation.resume()
        }
    }

    private func change(_ body: (inout State) -> Void) {
        let observers = state.withLock { state in
            body(&state)
            return state.routesChanged()
        }
        for observer in observers { observer() }
    }
}

// MARK: - For the router

/// What the table says about one request.
enum Claim: Equatable {
    /// No such app.
    case unknown
    /// The app cannot take a request now.
    case unavailable(Route.State)
    /// The app works on as many requests as it may.
    case full
    /// The request is counted on this instance until `release`.
    case upstream(Upstream)
}

extension RouteTable {
    /// Chooses the instance with the fewest requests in flight, in turns among equals, and counts a request on it.
    ///
    /// - Parameters:
    ///   - failed: an instance that has just refused this request a connection; taken only when there is no other, not
    ///     even an ejected one.
    ///   - limit: requests that the app may have at a time.
    func claim(
        app: String, avoiding failed: Upstream? = nil, limit: Int = .max, now: NIODeadline = .now()
    ) -> Claim {
        state.withLock { state in
            guard let route = state.routes[app] else { return .unknown }
            guard route.state == .ready else { return .unavailable(route.state) }
            guard !route.upstreams.isEmpty else { return .unavailable(.starting(message: "no instance is ready")) }
            guard state.inFlightOfApp[app, default: 0] < limit else { return .full }
            let count = route.upstreams.count
            let turn = state.turns[app, default: 0] % count
            var best = route.upstreams[turn]
            var bestLoad = Int.max
            for step in 0..<count {
                let candidate = route.upstreams[(turn + step) % count]
                let load = state.load(of: candidate, avoiding: failed, now: now)
                if load < bestLoad { (best, bestLoad) = (candidate, load) }
            }
            state.turns[app] = turn + 1
            state.inFlight[best.id, default: 0] += 1
            state.inFlightOfApp[app, default: 0] += 1
            return .upstream(best)
        }
    }

    /// Prefers other instances to one that accepted no connection. One that leaves the table is forgotten.
    func eject(_ upstream: Upstream, until deadline: NIODeadline) {
        state.withLock { state in
            if state.routed.contains(upstream) { state.ejected[upstream.id] = deadline }
        }
    }

    /// The instance has accepted a connection: it is as good as any.
    func readmit(_ upstream: Upstream) {
        state.withLock { state in
            if !state.ejected.isEmpty { state.ejected[upstream.id] = nil }
        }
    }

    /// How a request that was claimed ended.
    struct Ending {
        /// From the request's head to the answer's; nil when the client left before there was one.
        var latencyNanoseconds: Int64?
    }

    /// Ends a claim.
    ///
    /// - Parameter ending: counts the request; nil does not, because it goes to another instance.
    /// - Returns: whether the instance is still in the table, so that its connection is worth keeping.
    @discardableResult
    func release(_ upstream: Upstream, of app: String, _ ending: Ending? = nil) -> Bool {
        let (isRouted, idle) = state.withLock { state -> (Bool, [Waiter]) in
            let left = (state.inFlight[upstream.id] ?? 1) - 1
            state.inFlight[upstream.id] = left > 0 ? left : nil
            let leftOfApp = (state.inFlightOfApp[app] ?? 1) - 1
            state.inFlightOfApp[app] = leftOfApp > 0 ? leftOfApp : nil
            let isRouted = state.routed.contains(upstream)
            if let ending, isRouted || left > 0 {
                state.traffic[upstream.id, default: UpstreamTraffic()]
                    .count(latencyNanoseconds: ending.latencyNanoseconds)
            } else if left == 0, !isRouted {
                state.traffic[upstream.id] = nil
            }
            var idle: [Waiter] = []
            if left == 0, !state.waiters.isEmpty {
                for (key, waiter) in state.waiters where waiter.upstreamID == upstream.id {
                    idle.append(waiter)
                    state.waiters[key] = nil
                }
            }
            return (isRouted, idle)
        }
        for waiter in idle { waiter.continuation.resume() }
        return isRouted
    }

    /// Whether a ready route leads to the instance.
    func isRouted(_ upstream: Upstream) -> Bool {
        state.withLock { $0.routed.contains(upstream) }
    }

    /// Calls `body` whenever an instance has left the table, until ``removeObserver(_:)``. On the caller's thread.
    func addObserver(_ body: @escaping @Sendable () -> Void) -> Int {
        state.withLock { state in
            let key = state.key()
            state.observers[key] = body
            return key
        }
    }

    /// Ends an observation.
    func removeObserver(_ key: Int) {
        state.withLock { $0.observers[key] = nil }
    }
}
