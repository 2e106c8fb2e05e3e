// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel
internal import Synchronization

/// Counts requests that are over, by app, from the router's start on; never back.
///
/// Names of apps come from requests too, so only those that the route table has known get counters of their own.
final class RequestCounters: Sendable {
    /// Apps that are counted one by one.
    static let maxApps = 4_096

    private struct Counters {
        /// By the first digit of the status, 1 to 5; 0 is anything else.
        var classes = [Int64](repeating: 0, count: 6)
        var buckets = [Int64](repeating: 0, count: RequestMetrics.bucketSeconds.count + 1)
        var sumMicroseconds: Int64 = 0

        mutating func count(status: Int, latencyNanoseconds: Int64?) {
            classes[(100..<600).contains(status) ? status / 100 : 0] += 1
            guard let latencyNanoseconds else { return }
            buckets[RequestCounters.bucket(of: latencyNanoseconds)] += 1
            sumMicroseconds += latencyNanoseconds / 1_000
        }

        var byClass: [String: Int64] {
            classes.enumerated().reduce(into: [:]) { result, entry in
                if entry.element > 0 { result[entry.offset == 0 ? "other" : "\(entry.offset)xx"] = entry.element }
            }
        }
    }

    private struct State {
        var apps: [String: Counters] = [:]
        var unrouted = Counters()
    }

    private let state = Mutex(State())
    private static let boundsNanoseconds = RequestMetrics.bucketSeconds.map { Int64($0 * 1_000_000_000) }

    private static func bucket(of nanoseconds: Int64) -> Int {
        boundsNanoseconds.firstIndex { nanoseconds <= $0 } ?? boundsNanoseconds.count
    }

    /// From now on the app has counters of its own.
    ///
    /// - Parameter isRouted: asked for the others when there is no room: those that are not give way.
    func know(_ app: String, isRouted: (String) -> Bool) {
        state.withLock { state in
            guard state.apps[app] == nil else { return }
            if state.apps.count >= Self.maxApps { state.apps = state.apps.filter { isRouted($0.key) } }
            if state.apps.count < Self.maxApps { state.apps[app] = Counters() }
        }
    }

    /// Counts a request that is over.
    ///
    /// - Parameters:
    ///   - app: as the request names it; nil when it names none.
    ///   - latencyNanoseconds: from its head to the head of the app's answer; nil when the app gave none.
    func count(app: String?, status: Int, latencyNanoseconds: Int64? = nil) {
        state.withLock { state in
            let isKnown = app.map { app in
                state.apps[app]?.count(status: status, latencyNanoseconds: latencyNanoseconds) != nil
            }
            if isKnown != true { state.unrouted.count(status: status, latencyNanoseconds: nil) }
        }
    }

    /// Everything until now. `inFlight` is for the caller to fill in.
    func reading() -> (apps: [String: RequestMetrics], unrouted: [String: Int64]) {
        state.withLock { state in
            let apps = state.apps.mapValues { counters in
                RequestMetrics(
                    byClass: counters.byClass, buckets: counters.buckets, sumMicroseconds: counters.sumMicroseconds,
                    inFlight: 0)
            }
            return (apps, state.unrouted.byClass)
        }
    }
}
