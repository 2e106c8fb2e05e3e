// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Router

/// Apps that are not there, talk nonsense, are slow, or break off.
@Suite(.timeLimit(.minutes(2)))
struct FailureTests {
    @Test func routesThatCannotAnswerSaySoByStatus() async throws {
        try await withRouter { router in
            router.table.set(app: "new", route: Route(state: .starting(message: "waiting for PORT 20001")))
            router.table.set(app: "bad", route: Route(state: .failed(message: "python: command not found")))
            router.table.set(app: "off", route: Route(state: .stopped))
            router.table.set(app: "empty", route: Route(state: .ready))
            let starting = try await router.get("/apps/new/")
            #expect(starting.status == 503 && starting.values("retry-after") == ["1"])
            #expect(starting.contains("Waiting for PORT 20001."))
            let failed = try await router.get("/apps/bad/")
            #expect(failed.status == 503 && failed.contains("paas logs bad") && failed.contains("paas status bad"))
            #expect(failed.values("retry-after").isEmpty)
            let stopped = try await router.get("/apps/off/")
            #expect(stopped.status == 503 && stopped.contains("paas start off"))
            let empty = try await router.get("/apps/empty/")
            #expect(empty.status == 503)
            let unknown = try await router.get("/apps/none/")
            #expect(unknown.status == 404 && unknown.values("cache-control") == ["no-store"])
        }
    }

    @Test func browserGetsAPageAndAProgramAProblem() async throws {
        try await withRouter { router in
            router.table.set(app: "new", route: Route(state: .starting(message: "<script>alert(1)</script>")))
            let page = try await router.get("/apps/new/", fields: ["Accept: text/html,*/*;q=0.8"])
            #expect(page.values("content-type") == ["text/html; charset=utf-8"])
            #expect(page.contains("<meta http-equiv=\"refresh\" content=\"1\">"))
            #expect(!page.contains("<script>") && page.contains("&lt;script&gt;"))
            let problem = try await router.get("/apps/new/", fields: ["Accept: */*"])
            #expect(problem.values("content-type") == ["application/problem+json"])
            #expect(problem.body.contains("\"status\":503"))
        }
    }

    @Test func nameWithoutSlashIsRedirectedWithItsQuery() async throws {
        try await withRouter { router in
            let answer = try await router.get("/apps/web?a=/b")
            #expect(answer.status == 308 && answer.values("location") == ["/apps/web/?a=/b"])
        }
    }

    @Test func refusedConnectionIs502() async throws {
        let dead = try Backend.refusing()
        try await withRouter { router in
            router.table.set(app: "web", route: Route(state: .ready, upstreams: [dead.upstream()]))
            let answer = try await router.get("/apps/web/")
            #expect(answer.status == 502)
        }
    }

    @Test func refusedConnectionIsTriedOnAnotherInstance() async throws {
        let dead = try Backend.refusing()
        let alive = try await Backend.echo()
        try await withRouter { router in
            let route = Route(state: .ready, upstreams: [dead.upstream("i-1"), alive.upstream("i-2")])
            router.table.set(app: "web", route: route)
            for _ in 1...4 {
                let answer = try await router.exchange(
                    "POST /apps/web/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody")
                #expect(answer.status == 200 && answer.hasSuffix("body"))
            }
            #expect(router.table.inFlight(upstreamID: "i-1") == 0)
            #expect(router.table.inFlight(upstreamID: "i-2") == 0)
        }
    }

    @Test func anInstanceThatRefusesIsLeftAloneForAWhile() async throws {
        let dead = try Backend.refusing()
        let alive = try await Backend.echo()
        try await withRouter(configure: { $0.ejection = .seconds(600) }) { router in
            let route = Route(state: .ready, upstreams: [dead.upstream("i-1"), alive.upstream("i-2")])
            router.table.set(app: "web", route: route)
            for _ in 1...3 {
                let answer = try await router.get("/apps/web/")
                #expect(answer.status == 200)
            }
            // The pause is still on, so the table itself gives the one that answers, whoever's turn it is.
            let table = UpstreamTable(router.table)
            for _ in 1...2 { #expect(table.claim(app: "web") == .upstream(alive.upstream("i-2"))) }
        }
    }

    @Test func oneRequestTooManyOfAnAppIs503() async throws {
        let backend = try await Backend { wire, _ in
            _ = try await wire.receive(until: "\r\n\r\n")
            _ = try await wire.receive(until: "never")
        }
        let other = try await Backend.echo()
        try await withRouter(["web": backend, "other": other], configure: { $0.limits.requestsPerApp = 1 }) { router in
            let first = try await router.connect()
            try await first.send("GET /apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n")
            while router.table.inFlight(upstreamID: "i-web") == 0 { await Task.yield() }
            let second = try await router.get("/apps/web/")
            #expect(second.status == 503 && second.values("retry-after") == ["1"])
            #expect(second.body.contains("app-busy"))
            let ofAnother = try await router.get("/apps/other/")
            #expect(ofAnother.status == 200)
            await first.close()
        }
    }

    @Test(arguments: [
        "hello\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le", "",
    ])
    func nonsenseIs502(_ answer: String) async throws {
        let backend = try await Backend.fixed(answer)
        try await withRouter(["web": backend]) { router in
            let page = try await router.get("/apps/web/")
            #expect(page.status == 502)
            #expect(!page.contains("folded") && !page.contains(".."))
        }
    }

    @Test func equalLengthsTwiceInAnAnswerAreCollapsed() async throws {
        let backend = try await Backend.fixed(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab")
        try await withRouter(["web": backend]) { router in
            let answer = try await router.get("/apps/web/")
            #expect(answer.values("content-length") == ["2"] && answer.body == "ab")
        }
    }

    @Test func endlessInterimAnswersAre502() async throws {
        let backend = try await Backend { wire, _ in
            _ = try await wire.receive(until: "\r\n\r\n")
            while true { try await wire.send("HTTP/1.1 102 Processing\r\n\r\n") }
        }
        try await withRouter(["web": backend]) { router in
            let answer = try await router.get("/apps/web/")
            #expect(answer.contains("HTTP/1.1 502 Bad Gateway\r\n"))
        }
    }

    @Test func silenceIs504AndTheConnectionGoesOn() async throws {
        let backend = try await Backend { wire, _ in _ = try await wire.receiveAll() }
        try await withRouter(["web": backend], configure: { $0.firstByteTimeout = .milliseconds(50) }) { router in
            let wire = try await router.connect()
            for _ in 1...2 {
                try await wire.send("GET /apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n")
                let answer = try await wire.receiveMessage()
                #expect(answer.status == 504)
            }
            await wire.close()
        }
    }

    @Test func liveAnswerMayBeSilentLongerThanTheFirstByte() async throws {
        let proceed = Received()
        let backend = try await Backend { wire, _ in
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
            _ = await proceed.value()
            try await wire.send("b")
        }
        try await withRouter(["web": backend], configure: { $0.firstByteTimeout = .milliseconds(300) }) { router in
            let wire = try await router.connect()
            var status: Int? = 504
            // A busy machine may need several attempts to be in time with the first byte.
            while status == 504 {
                try await wire.send("GET /apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n")
                let head = try await wire.receive(until: "\r\n\r\n")
                status = head.status
                let length = try #require(head.values("content-length").first.flatMap { Int($0) })
                _ = try await wire.receive(count: status == 504 ? length : 1)
            }
            // Another request that runs into the limit is the clock: afterwards more time has passed than the limit.
            let mute = try await Backend { wire, _ in _ = try await wire.receiveAll() }
            router.table.set(app: "mute", route: Route(state: .ready, upstreams: [mute.upstream()]))
            let late = try await router.get("/apps/mute/")
            #expect(late.status == 504)
            await proceed.set("")
            let rest = try await wire.receive(count: 1)
            #expect(rest == "b")
            await wire.close()
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
    ])
    func brokenOffAnswerNeverLooksComplete(_ answer: String) async throws {
        let backend = try await Backend.fixed(answer)
        try await withRouter(["web": backend]) { router in
            let wire = try await router.connect()
            try await wire.send("GET /apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n")
            let received = try await wire.receiveAll()
            #expect(received.contains("abc") && !received.hasSuffix("0\r\n\r\n"))
            await wire.close()
            var records = router.records.makeAsyncIterator()
            let record = await records.next()
            #expect(record?.isCut == true)
        }
    }

    /// Nothing but the end of the connection delimits the body here, so it must be a reset.
    @Test(arguments: [false, true]) func brokenOffAnswerToAnOldClientIsAReset(_ isEncrypted: Bool) async throws {
        let authority = TestAuthority()
        let backend = try await Backend.fixed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        try await withRouter(["web": backend], tls: try RouterTLS { try authority.issue($0) }) { router in
            let wire =
                if isEncrypted { try await Wire.connect(tlsPort: router.tlsPort) } else { try await router.connect() }
            try await wire.send("GET /apps/web/ HTTP/1.0\r\n\r\n")
            _ = await #expect(throws: (any Error).self) { try await wire.receiveAll() }
            await wire.close()
        }
    }

    @Test func keptConnectionThatDiedIsRetriedOnce() async throws {
        let backend = try await Backend { wire, number in
            let request = try await wire.receive(until: "\r\n\r\n")
            try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\(number)")
            // The second request on the first connection is taken and never answered.
            if number == 1 { _ = try await wire.receive(until: "\r\n\r\n") } else { _ = request }
        }
        try await withRouter(["web": backend]) { router in
            let wire = try await router.connect()
            for expected in ["1", "2"] {
                try await wire.send("GET /apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n")
                let answer = try await wire.receiveMessage()
                #expect(answer.body == expected)
            }
            await wire.close()
        }
    }

    /// An app that closes a kept connection while a request lies in it unread resets it.
    @Test func keptConnectionThatWasResetIsRetriedOnce() async throws {
        let backend = try await Backend { wire, number in
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\(number)")
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.reset()
        }
        try await withRouter(["web": backend]) { router in
            let wire = try await router.connect()
            for expected in ["1", "2", "3"] {
                try await wire.send("GET /apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n")
                let answer = try await wire.receiveMessage()
                #expect(answer.status == 200 && answer.body == expected)
            }
            await wire.close()
        }
    }

    @Test func postIsNeverSentTwice() async throws {
        let backend = try await Backend { wire, number in
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\(number)")
            _ = try await wire.receive(until: "\r\n\r\n")
        }
        try await withRouter(["web": backend]) { router in
            let wire = try await router.connect()
            for status in [200, 502] {
                try await wire.send("POST /apps/web/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
                let answer = try await wire.receiveMessage()
                #expect(answer.status == status)
            }
            await wire.close()
        }
        #expect(backend.acceptedConnections == 1)
    }

    @Test func bytesAfterAnAnswerMakeTheConnectionUseless() async throws {
        let backend = try await Backend { wire, number in
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.send(
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\(number)HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"
            )
            _ = try await wire.receiveAll()
        }
        try await withRouter(["web": backend]) { router in
            let wire = try await router.connect()
            for expected in ["1", "2"] {
                try await wire.send("GET /apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n")
                let answer = try await wire.receiveMessage()
                #expect(answer.body == expected)
            }
            await wire.close()
        }
    }

    @Test func clientThatLeavesEndsTheAppsWork() async throws {
        let ended = Received()
        let started = Received()
        let backend = try await Backend { wire, _ in
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
            await started.set("")
            _ = try? await wire.receiveAll()
            await ended.set("")
        }
        try await withRouter(["web": backend]) { router in
            let wire = try await router.connect()
            try await wire.send("GET /apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = await started.value()
            await wire.close()
            _ = await ended.value()
            var records = router.records.makeAsyncIterator()
            let record = await records.next()
            #expect(record?.isCut == true)
        }
    }
}
