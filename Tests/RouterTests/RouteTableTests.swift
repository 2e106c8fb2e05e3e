// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import Router

struct RouteTableTests {
    private let first = Upstream(id: "i-1", host: "127.0.0.1", port: 1)
    private let second = Upstream(id: "i-2", host: "127.0.0.1", port: 2)

    private func table(_ upstreams: Upstream...) -> UpstreamTable { UpstreamTable(upstreams) }

    @Test func unknownAndRemovedAppsHaveNoRoute() {
        let table = table(first)
        #expect(table.claim(app: "other") == .unknown)
        table.table.remove(app: "web")
        #expect(table.table.route(app: "web") == nil)
        #expect(table.claim(app: "web") == .unknown)
    }

    @Test func readyWithoutInstancesCountsAsStarting() {
        #expect(table().claim(app: "web") == .unavailable(.starting(message: "no instance is ready")))
    }

    @Test func equallyBusyInstancesTakeTurns() {
        let table = table(first, second)
        var chosen: [UpstreamTable.Choice] = []
        for _ in 1...4 {
            let claim = table.claim(app: "web")
            if case .upstream(let upstream) = claim { table.release(upstream, of: "web") }
            chosen.append(claim)
        }
        #expect(chosen == [.upstream(first), .upstream(second), .upstream(first), .upstream(second)])
    }

    @Test func leastBusyInstanceIsChosen() {
        let table = table(first, second)
        #expect(table.claim(app: "web") == .upstream(first))
        #expect(table.claim(app: "web") == .upstream(second))
        table.release(second, of: "web")
        #expect(table.claim(app: "web") == .upstream(second))
        #expect(table.table.inFlight(upstreamID: "i-1") == 1)
    }

    @Test func failedInstanceIsChosenOnlyWithoutAnother() {
        #expect(table(first, second).claim(app: "web", avoiding: first) == .upstream(second))
        #expect(table(first).claim(app: "web", avoiding: first) == .upstream(first))
    }

    @Test func ejectedInstanceGetsNoRequestWhileAnotherIsThere() {
        let table = table(first, second)
        let now = NIODeadline.now()
        table.eject(first, until: now + .seconds(5))
        for _ in 1...3 { #expect(table.claim(app: "web", now: now) == .upstream(second)) }
        // The time is over, and the first has fewer requests.
        #expect(table.claim(app: "web", now: now + .seconds(5)) == .upstream(first))
    }

    @Test func ejectionEndsWithAConnectionAndWithTheRoute() {
        let table = table(first, second)
        let now = NIODeadline.now()
        func ejectFirst() { table.eject(first, until: now + .seconds(5)) }
        ejectFirst()
        table.readmit(first)
        #expect(table.claim(app: "web", now: now) == .upstream(first))
        ejectFirst()
        table.table.set(app: "web", route: Route(state: .ready, upstreams: [second]))
        table.table.set(app: "web", route: Route(state: .ready, upstreams: [second, first]))
        table.release(first, of: "web")
        let claims = (1...2).map { _ in table.claim(app: "web", now: now) }
        #expect(claims.contains(.upstream(first)))
    }

    @Test func anEjectedInstanceIsBetterThanOneThatHasJustFailedAndThanNone() {
        let table = table(first, second)
        let now = NIODeadline.now()
        table.eject(first, until: now + .seconds(5))
        table.eject(second, until: now + .seconds(5))
        #expect(table.claim(app: "web", avoiding: second, now: now) == .upstream(first))
        #expect(table.claim(app: "web", avoiding: first, now: now) == .upstream(second))
    }

    @Test func anAppIsFullUntilARequestOfItsOwnEnds() {
        let table = table(first)
        table.table.set(app: "other", route: Route(state: .ready, upstreams: [second]))
        #expect(table.claim(app: "web", limit: 2) == .upstream(first))
        #expect(table.claim(app: "web", limit: 2) == .upstream(first))
        #expect(table.claim(app: "web", limit: 2) == .full)
        #expect(table.claim(app: "other", limit: 2) == .upstream(second))
        table.release(second, of: "other")
        #expect(table.claim(app: "web", limit: 2) == .full)
        table.release(first, of: "web")
        #expect(table.claim(app: "web", limit: 2) == .upstream(first))
    }

    @Test func releaseTellsWhetherTheInstanceIsStillRouted() {
        let table = table(first)
        _ = table.claim(app: "web")
        _ = table.claim(app: "web")
        #expect(table.release(first, of: "web"))
        table.table.set(app: "web", route: Route(state: .ready, upstreams: [second]))
        #expect(!table.release(first, of: "web"))
        #expect(!table.isRouted(first) && table.isRouted(second))
    }

    /// The same id at another address: connections to the old one were kept.
    @Test func anInstanceThatMovedIsRoutedNoMore() {
        let table = table(first)
        let calls = Counter()
        _ = table.table.addObserver { calls.add(1) }
        let old = table.instance(first)
        table.table.set(
            app: "web", route: Route(state: .ready, upstreams: [Upstream(id: "i-1", host: "127.0.0.1", port: 3)]))
        #expect(!table.table.isRouted(old))
        #expect(calls.value == 1)
    }

    @Test func drainOfAnIdleInstanceReturnsAtOnce() async {
        #expect(await table(first).table.drain(upstreamID: "i-1", deadline: .seconds(3_600)) == 0)
    }

    @Test func cancelledDrainReturnsWhatIsLeft() async {
        let table = table(first)
        _ = table.claim(app: "web")
        let drain = Task { [table = table.table] in await table.drain(upstreamID: "i-1", deadline: .seconds(3_600)) }
        drain.cancel()
        #expect(await drain.value == 1)
    }

    @Test func observersHearOnlyOfInstancesThatLeave() {
        let table = table(first)
        let calls = Counter()
        let key = table.table.addObserver { calls.add(1) }
        table.table.set(app: "web", route: Route(state: .ready, upstreams: [first, second]))
        #expect(calls.value == 0)
        table.table.set(app: "web", route: Route(state: .ready, upstreams: [second]))
        #expect(calls.value == 1)
        table.table.set(app: "web", route: Route(state: .stopped, upstreams: [second]))
        #expect(calls.value == 2)
        table.table.removeObserver(key)
        table.table.set(app: "web", route: Route(state: .ready, upstreams: [second]))
        table.table.remove(app: "web")
        #expect(calls.value == 2)
    }
}
