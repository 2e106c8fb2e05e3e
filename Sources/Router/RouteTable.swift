// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOPosix
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
        var waiters: [Int: Waiter] = [:]
        var observers: [Int: @Sendable () -> Void] = [:]
        var nextKey = 0

        mutating func key() -> Int {
            nextKey += 1
            return nextKey
        }

        mutating func routesChanged() -> [@Sendable () -> Void] {
            let before = routed
            routed = Set(routes.values.lazy.filter { $0.state == .ready }.flatMap(\.upstreams))
            return before.isSubset(of: routed) ? [] : Array(observers.values)
        }
    }

    private struct Waiter {
        var upstreamID: String
        var continuation: CheckedContinuation<Void, Never>
    }

    private let state = Mutex(State())

    /// Creates an empty table: every app is unknown.
    public init() {}

    /// Makes `route` the one that every later request of the app takes. Requests in flight are not touched.
    public func set(app: String, route: Route) {
        change { $0.routes[app] = route }
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
    /// The request is counted on this instance until `release`.
    case upstream(Upstream)
}

extension RouteTable {
    /// Chooses the instance with the fewest requests in flight, in turns among equals, and counts a request on it.
    ///
    /// - Parameter failed: an instance that has just refused a connection; taken only when there is no other.
    func claim(app: String, avoiding failed: Upstream? = nil) -> Claim {
        state.withLock { state in
            guard let route = state.routes[app] else { return .unknown }
            guard route.state == .ready else { return .unavailable(route.state) }
            guard !route.upstreams.isEmpty else { return .unavailable(.starting(message: "no instance is ready")) }
            let count = route.upstreams.count
            let turn = state.turns[app, default: 0] % count
            var best = route.upstreams[turn]
            var bestLoad = Int.max
            for step in 0..<count {
                let candidate = route.upstreams[(turn + step) % count]
                let load = candidate == failed ? Int.max - 1 : state.inFlight[candidate.id] ?? 0
                if load < bestLoad { (best, bestLoad) = (candidate, load) }
            }
            state.turns[app] = turn + 1
            state.inFlight[best.id, default: 0] += 1
            return .upstream(best)
        }
    }

    /// Ends a claim.
    ///
    /// - Returns: whether the instance is still in the table, so that its connection is worth keeping.
    @discardableResult
    func release(_ upstream: Upstream) -> Bool {
        let (isRouted, idle) = state.withLock { state -> (Bool, [Waiter]) in
            let left = (state.inFlight[upstream.id] ?? 1) - 1
            state.inFlight[upstream.id] = left > 0 ? left : nil
            var idle: [Waiter] = []
            if left == 0, !state.waiters.isEmpty {
                for (key, waiter) in state.waiters where waiter.upstreamID == upstream.id {
                    idle.append(waiter)
                    state.waiters[key] = nil
                }
            }
            return (state.routed.contains(upstream), idle)
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
