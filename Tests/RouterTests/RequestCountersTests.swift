// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import Router

@Suite struct RequestCountersTests {
    @Test func namesThatNoAppHasAreCountedTogether() {
        let counters = RequestCounters()
        counters.know("web") { _ in true }
        counters.count(app: "web", status: 204, latencyNanoseconds: 1_000_000)
        counters.count(app: "made-up", status: 404)
        counters.count(app: nil, status: 400)
        let reading = counters.reading()
        #expect(reading.apps.keys.sorted() == ["web"])
        #expect(reading.apps["web"]?.byClass == ["2xx": 1])
        #expect(reading.unrouted == ["4xx": 2])
    }

    @Test func aLatencyOnABoundBelongsToThatBucketAndALongOneToTheLast() {
        let counters = RequestCounters()
        counters.know("web") { _ in true }
        counters.count(app: "web", status: 200, latencyNanoseconds: 1_000_000)
        counters.count(app: "web", status: 200, latencyNanoseconds: 1_000_001)
        counters.count(app: "web", status: 200, latencyNanoseconds: 31_000_000_000)
        counters.count(app: "web", status: 502)
        let web = counters.reading().apps["web"]
        #expect(web?.buckets.first == 1)
        #expect(web?.buckets[1] == 1)
        #expect(web?.buckets.last == 1)
        #expect(web?.buckets.reduce(0, +) == 3)
        #expect(web?.byClass == ["2xx": 3, "5xx": 1])
    }

    @Test func appsThatAreGoneGiveWayWhenThereIsNoRoom() {
        let counters = RequestCounters()
        for number in 0..<RequestCounters.maxApps { counters.know("app-\(number)") { _ in true } }
        counters.know("one-too-many") { _ in true }
        #expect(counters.reading().apps["one-too-many"] == nil)
        counters.know("one-too-many") { $0 == "app-1" }
        #expect(counters.reading().apps.keys.sorted() == ["app-1", "one-too-many"])
    }

    @Test func requestsOfARoutedAppAreCountedWhileTheyRunAndWhenTheyAreOver() {
        let table = RouteTable()
        let upstream = Upstream(id: "i-1", host: "127.0.0.1", port: 1)
        table.set(app: "web", route: Route(state: .ready, upstreams: [upstream]))
        let upstreams = UpstreamTable(table)
        _ = upstreams.claim(app: "web")
        #expect(table.requests.apps["web"]?.inFlight == 1)
        upstreams.release(upstream, of: "web")
        table.remove(app: "web")
        table.set(app: "web", route: Route(state: .ready, upstreams: [upstream]))
        table.counters.count(app: "web", status: 200)
        #expect(table.requests.apps["web"]?.inFlight == 0)
        #expect(table.requests.apps["web"]?.byClass == ["2xx": 1])
    }
}
