// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Router
import Supervision

/// Joins the sampler and the router, which do not know each other, by the route table's counters.
struct RouterTraffic: RequestMeter {
    let table: RouteTable

    func reading() -> any RequestReading { Reading(traffic: table.traffic) }

    private struct Reading: RequestReading {
        let traffic: [String: UpstreamTraffic]

        func rates(since earlier: any RequestReading, seconds: Double) -> [String: RequestRates] {
            let before = (earlier as? Reading)?.traffic ?? [:]
            guard seconds > 0 else { return [:] }
            return traffic.reduce(into: [:]) { rates, entry in
                // An instance that left the table and came back counts from zero.
                let known = before[entry.key].flatMap { $0.requests <= entry.value.requests ? $0 : nil }
                let base = known ?? UpstreamTraffic()
                rates[entry.key] = RequestRates(
                    perSecond: Double(entry.value.requests - base.requests) / seconds,
                    p99: entry.value.latencies.quantile(0.99, since: base.latencies))
            }
        }
    }
}
