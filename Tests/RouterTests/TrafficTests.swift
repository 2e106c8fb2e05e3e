// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Router

struct TrafficTests {
    @Test func everyBucketHoldsWhatItsBoundSays() {
        // A single latency is its own quantile: never under it, and at most an eighth above.
        for microseconds in [0, 1, 7, 8, 15, 16, 17, 100, 999, 1_000, 65_535, 65_536, 1_000_000, 4_294_967_295] {
            var histogram = LatencyHistogram()
            histogram.record(nanoseconds: Int64(microseconds) * 1_000)
            let quantile = histogram.quantile(0.99)
            #expect(quantile ?? .zero >= .microseconds(microseconds))
            #expect(quantile ?? .zero <= .microseconds(microseconds + microseconds / 8))
        }
    }

    @Test func quantilesCountFromTheShortest() {
        var histogram = LatencyHistogram()
        for milliseconds in 1...100 { histogram.record(nanoseconds: Int64(milliseconds) * 1_000_000) }
        #expect(histogram.quantile(0.5).map { $0 >= .milliseconds(50) && $0 < .milliseconds(57) } == true)
        #expect(histogram.quantile(0.99).map { $0 >= .milliseconds(99) && $0 < .milliseconds(112) } == true)
        #expect(LatencyHistogram().quantile(0.99) == nil)
    }

    @Test func onlyRequestsSinceTheEarlierTimeCount() {
        var histogram = LatencyHistogram()
        histogram.record(nanoseconds: 60_000_000_000)
        let earlier = histogram
        #expect(histogram.quantile(0.99, since: earlier) == nil)
        histogram.record(nanoseconds: 1_000_000)
        #expect(histogram.quantile(0.99, since: earlier).map { $0 < .milliseconds(2) } == true)
    }

    @Test func latenciesOutsideTheRangeAreCountedAtItsEnds() {
        var histogram = LatencyHistogram()
        histogram.record(nanoseconds: -5)
        #expect(histogram.quantile(1) == .zero)
        histogram.record(nanoseconds: .max)
        #expect(histogram.quantile(1).map { $0 > .seconds(4_000) } == true)
    }

    private let upstream = Upstream(id: "i-1", host: "127.0.0.1", port: 1)

    private func table() -> UpstreamTable { UpstreamTable([upstream]) }

    @Test func aRoutedInstanceIsCountedFromNothingOn() {
        let table = table()
        #expect(table.table.traffic["i-1"]?.requests == 0)
        _ = table.claim(app: "web")
        table.release(upstream, of: "web", .init(latencyNanoseconds: 5_000_000))
        #expect(table.table.traffic["i-1"]?.requests == 1)
        #expect(table.table.traffic["i-1"]?.latencies.quantile(0.99) != nil)
    }

    @Test func aClientThatLeftCountsWithoutALatencyAndARetryNotAtAll() {
        let table = table()
        _ = table.claim(app: "web")
        table.release(upstream, of: "web", .init(latencyNanoseconds: nil))
        _ = table.claim(app: "web")
        table.release(upstream, of: "web")
        #expect(table.table.traffic["i-1"]?.requests == 1)
        #expect(table.table.traffic["i-1"]?.latencies.quantile(0.99) == nil)
    }

    @Test func countersOfAnInstanceThatLeftAreForgottenAfterItsLastRequest() {
        let table = table()
        _ = table.claim(app: "web")
        table.table.remove(app: "web")
        #expect(table.table.traffic["i-1"] != nil)
        table.release(upstream, of: "web", .init(latencyNanoseconds: 1))
        #expect(table.table.traffic.isEmpty)
        table.table.set(app: "web", route: Route(state: .ready, upstreams: [upstream]))
        table.table.remove(app: "web")
        #expect(table.table.traffic.isEmpty)
    }
}
