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
        var apps: [String: AppEntry] = [:]
        /// Those in the table, and those that have left it and still work on something, by id.
        var instances: [String: Instance] = [:]
        var waiters: [Int: Waiter] = [:]
        var observers: [Int: @Sendable () -> Void] = [:]
        var nextKey = 0

        mutating func key() -> Int {
            nextKey += 1
            return nextKey
        }

        /// Those who wait for an instance to be idle wait no more.
        mutating func takeWaiters(of upstreamID: String) -> [Waiter] {
            let idle = waiters.filter { $0.value.upstreamID == upstreamID }
            for key in idle.keys { waiters[key] = nil }
            return Array(idle.values)
        }

        /// The instance of an upstream: the one that is there, or a new one.
        mutating func instance(_ upstream: Upstream) -> Instance {
            if let known = instances[upstream.id], known.upstream == upstream { return known }
            let instance = Instance(upstream)
            instances[upstream.id] = instance
            return instance
        }

        /// Changes an app, and finds out which of its instances are in the table now and whom that concerns. Those of others are
        /// not looked at: with many apps that would be most of what a change costs.
        mutating func change(_ app: AppEntry, _ body: (inout State) -> Void) -> [@Sendable () -> Void] {
            let before = app.routed
            body(&self)
            for instance in app.routed {
                instance.routes += 1
                instances[instance.upstream.id] = instance
            }
            for instance in before { instance.routes -= 1 }
            let gone = before.filter { !$0.isRouted }
            for instance in gone { instance.ejectedUntil = nil }
            for instance in before + app.instances
            where instance.isForgettable && instances[instance.upstream.id] === instance {
                instances[instance.upstream.id] = nil
            }
            return gone.isEmpty ? [] : Array(observers.values)
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
        let observers = state.withLock { state in
            let entry = state.apps[app] ?? AppEntry(app)
            return state.change(entry) { state in
                state.apps[app] = entry
                entry.route = route
                entry.instances = route.upstreams.map { state.instance($0) }
                counters.know(app) { state.apps[$0]?.route != nil }
            }
        }
        for observer in observers { observer() }
    }

    /// Makes the app unknown: later requests are answered by 404.
    public func remove(app: String) {
        let observers = state.withLock { state -> [@Sendable () -> Void] in
            guard let entry = state.apps[app] else { return [] }
            return state.change(entry) { state in
                (entry.route, entry.instances, entry.turn) = (nil, [], 0)
                if entry.inFlight == 0 { state.apps[app] = nil }
            }
        }
        for observer in observers { observer() }
    }

    /// The app's route as it is now; nil for an unknown app.
    public func route(app: String) -> Route? {
        state.withLock { $0.apps[app]?.route }
    }

    /// Requests and tunnels that an instance is working on now.
    public func inFlight(upstreamID: String) -> Int {
        state.withLock { $0.instances[upstreamID]?.inFlight ?? 0 }
    }

    /// What each instance in the table has answered, by the instance's id.
    public var traffic: [String: UpstreamTraffic] { state.withLock { $0.instances.mapValues(\.traffic) } }

    /// Requests by app since the router began, and those that belong to none, by class of status.
    public var requests: (apps: [String: RequestMetrics], unrouted: [String: Int64]) {
        var reading = counters.reading()
        state.withLock { state in
            for (app, entry) in state.apps {
                reading.apps[app]?.inFlight = entry.instances.reduce(0) { $0 + $1.inFlight }
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
                    if Task.isCancelled || (state.instances[upstreamID]?.inFlight ?? 0) == 0 { return true }
                    state.waiters[key] = Waiter(upstreamID: upstreamID, continuation: continuation)
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: key) }?.continuation.resume()
        }
    }
}

// MARK: - For the router

/// What the table says about one request.
enum Claim {
    /// No such app.
    case unknown
    /// The app cannot take a request now.
    case unavailable(Route.State)
    /// The app works on as many requests as it may.
    case full
    /// The request is counted on this instance until `release`.
    case instance(RouteTable.Claimed)
}

/// One app in the table, or one that has left it and still has requests. Used by the table under its lock.
final class AppEntry {
    let name: String
    /// Nil when the app is unknown.
    var route: Route?
    var instances: [Instance] = []
    var turn = 0
    var inFlight = 0

    /// Its instances that get requests.
    var routed: [Instance] { route?.state == .ready ? instances : [] }

    init(_ name: String) { self.name = name }
}

extension RouteTable {
    /// A request that is counted.
    ///
    /// Concurrency proof for `@unchecked Sendable`: `app` is used by the table only, under its lock.
    struct Claimed: @unchecked Sendable {
        let instance: Instance
        fileprivate let app: AppEntry
    }

    /// Chooses the instance with the fewest requests in flight, in turns among equals, and counts a request on it.
    ///
    /// - Parameters:
    ///   - failed: an instance that has just refused this request a connection; taken only when there is no other, not
    ///     even an ejected one.
    ///   - limit: requests that the app may have at a time.
    func claim(
        app: String, avoiding failed: Instance? = nil, limit: Int = .max, now: NIODeadline = .now()
    ) -> Claim {
        state.withLock { state in
            guard let entry = state.apps[app], let route = entry.route else { return .unknown }
            guard route.state == .ready else { return .unavailable(route.state) }
            let count = entry.instances.count
            guard count > 0 else { return .unavailable(.starting(message: "no instance is ready")) }
            guard entry.inFlight < limit else { return .full }
            let turn = entry.turn % count
            var best = entry.instances[turn]
            if count > 1 {
                var bestLoad = Int.max
                for step in 0..<count {
                    let candidate = entry.instances[(turn + step) % count]
                    let load = candidate.load(avoiding: failed, now: now)
                    if load < bestLoad { (best, bestLoad) = (candidate, load) }
                }
            }
            entry.turn = turn + 1
            best.inFlight += 1
            entry.inFlight += 1
            return .instance(Claimed(instance: best, app: entry))
        }
    }

    /// Prefers other instances to one that accepted no connection. One that leaves the table is forgotten.
    func eject(_ instance: Instance, until deadline: NIODeadline) {
        state.withLock { _ in
            if instance.isRouted { instance.ejectedUntil = deadline }
        }
    }

    /// The instance has accepted a connection: it is as good as any.
    func readmit(_ instance: Instance) {
        state.withLock { _ in instance.ejectedUntil = nil }
    }

    /// How a request that was claimed ended.
    struct Ending {
        /// From the request's head to the answer's; nil when the client left before there was one.
        var latencyNanoseconds: Int64?
        /// Counted for the app; nil when somebody else does that.
        var status: Int?
    }

    /// Ends a claim.
    ///
    /// - Parameter ending: counts the request; nil does not, because it goes to another instance.
    /// - Returns: whether the instance is still in the table, so that its connection is worth keeping.
    @discardableResult
    func release(_ claimed: Claimed, _ ending: Ending? = nil) -> Bool {
        let instance = claimed.instance
        let (isRouted, idle) = state.withLock { state -> (Bool, [Waiter]) in
            instance.inFlight -= 1
            claimed.app.inFlight -= 1
            if claimed.app.inFlight == 0, claimed.app.route == nil { state.apps[claimed.app.name] = nil }
            if let ending, !instance.isForgettable {
                instance.traffic.count(latencyNanoseconds: ending.latencyNanoseconds)
            } else if instance.isForgettable, state.instances[instance.upstream.id] === instance {
                state.instances[instance.upstream.id] = nil
            }
            guard instance.inFlight == 0, !state.waiters.isEmpty else { return (instance.isRouted, []) }
            return (instance.isRouted, state.takeWaiters(of: instance.upstream.id))
        }
        for waiter in idle { waiter.continuation.resume() }
        if let status = ending?.status {
            counters.count(app: claimed.app.name, status: status, latencyNanoseconds: ending?.latencyNanoseconds)
        }
        return isRouted
    }

    /// The instance of that id, if it is in the table or still works on something.
    func instance(id: String) -> Instance? {
        state.withLock { $0.instances[id] }
    }

    /// Whether a ready route leads to the instance.
    func isRouted(_ instance: Instance) -> Bool {
        state.withLock { _ in instance.isRouted }
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
