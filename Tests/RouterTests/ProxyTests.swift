// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import Router

/// What an app sees, and what its client gets back.
@Suite(.timeLimit(.minutes(2)))
struct ProxyTests {
    @Test func pathPrefixIsStrippedAndTold() async throws {
        let backend = try await Backend.echo()
        try await withRouter(["web": backend]) { router in
            let seen = try await router.get("/apps/web/a%2Fb//c/%zz?x=%20&y=/apps/web/").body
            #expect(seen.hasPrefix("GET /a%2Fb//c/%zz?x=%20&y=/apps/web/ HTTP/1.1\r\n"))
            #expect(seen.values("host") == ["router.test:8080"])
            #expect(seen.values("x-forwarded-prefix") == ["/apps/web"])
            #expect(seen.values("x-forwarded-host") == ["router.test:8080"])
            #expect(seen.values("x-forwarded-proto") == ["http"])
            #expect(seen.values("x-forwarded-for") == ["127.0.0.1"])
        }
    }

    @Test func hostNameNeedsNoPrefix() async throws {
        let backend = try await Backend.echo()
        try await withRouter(["web": backend]) { router in
            let answer = try await router.exchange(
                "GET /apps/web/x HTTP/1.1\r\nHost: WEB.localhost:8080\r\nConnection: close\r\n\r\n")
            #expect(answer.body.hasPrefix("GET /apps/web/x HTTP/1.1\r\n"))
            #expect(answer.body.values("x-forwarded-prefix").isEmpty)
        }
    }

    @Test func whatAClientSaysAboutItselfIsIgnored() async throws {
        let backend = try await Backend.echo()
        try await withRouter(["web": backend]) { router in
            let answer = try await router.get(
                "/apps/web/",
                fields: [
                    "X-Forwarded-For: 6.6.6.6", "x_forwarded_for: 6.6.6.6", "X-Forwarded-Proto: https",
                    "X-Forwarded-Prefix: /evil", "X-Real-IP: 6.6.6.6", "Forwarded: for=6.6.6.6", "Proxy: evil",
                    "X-Request-Id: evil", "Content_Length: 6", "X-Kept: 1",
                ])
            #expect(!answer.contains("6.6.6.6") && !answer.contains("evil") && !answer.contains("Content_Length"))
            #expect(answer.body.values("x-kept") == ["1"])
            #expect(answer.body.values("x-request-id") == answer.values("x-request-id"))
            #expect(answer.values("x-request-id").first?.count == 24)
        }
    }

    @Test func hopByHopFieldsEndAtTheRouterInBothDirections() async throws {
        let backend = try await Backend { wire, _ in
            let head = try await wire.receive(until: "\r\n\r\n")
            try await wire.send(
                "HTTP/1.1 200 OK\r\nConnection: close, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: 5\r\nProxy-Connection: a\r\n"
                    + "X-Request-Id: app\r\nContent-Length: \(head.utf8.count)\r\n\r\n\(head)")
        }
        try await withRouter(["web": backend]) { router in
            let answer = try await router.get(
                "/apps/web/",
                fields: ["Connection: X-Hop", "X-Hop: 1", "Keep-Alive: 9", "TE: trailers", "Proxy-Authorization: b"])
            for field in ["x-secret", "keep-alive", "proxy-connection"] { #expect(answer.values(field).isEmpty) }
            #expect(answer.values("connection") == ["close"])
            #expect(answer.values("x-request-id") != ["app"])
            for field in ["x-hop", "keep-alive", "proxy-authorization"] { #expect(answer.body.values(field).isEmpty) }
            #expect(answer.body.values("te") == ["trailers"])
            #expect(answer.body.values("connection") == ["TE"])
        }
    }

    @Test func bytesBeyondASCIIInFieldsArePassedUntouched() async throws {
        let backend = try await Backend { wire, _ in
            _ = try await wire.receive(until: "\r\n\r\n")
            var answer = ByteBuffer(string: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Name: caf")
            answer.writeBytes([0xE9, 0x0D, 0x0A, 0x0D, 0x0A])
            try await wire.send(answer)
            _ = try await wire.receiveAll()
        }
        try await withRouter(["web": backend]) { router in
            let wire = try await router.connect()
            try await wire.send("GET /apps/web/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            let answer = try await wire.receiveAll()
            // Latin-1 is not UTF-8: one replacement character for the one byte, where a re-encoding would give more.
            #expect(answer.contains("X-Name: caf\u{FFFD}\r\n"))
            await wire.close()
        }
    }

    @Test func chunkedBodiesAndTrailersPassBothWays() async throws {
        let received = Received()
        let backend = try await Backend { wire, _ in
            await received.set(try await wire.receive(until: "0\r\nX-Sum: 7\r\n\r\n"))
            try await wire.send(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\n"
                    + "X-Check: 9\r\nKeep-Alive: 3\r\nSet-Cookie: a=b\r\n\r\n")
        }
        try await withRouter(["web": backend]) { router in
            let answer = try await router.exchange(
                "POST /apps/web/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: Chunked\r\n\r\n"
                    + "4\r\nwxyz\r\n0\r\nX-Sum: 7\r\n\r\n")
            #expect(answer.body == "3\r\nabc\r\n2\r\nde\r\n0\r\nX-Check: 9\r\n\r\n")
        }
        let request = await received.value()
        #expect(request.body.hasPrefix("4\r\nwxyz\r\n0\r\nX-Sum: 7\r\n"))
        #expect(request.values("transfer-encoding") == ["chunked"])
    }

    /// RFC 9110 §6.5.1: a recipient that merges trailers into the head would believe them.
    @Test func trailersThatBelongIntoAHeadAreDroppedInBothDirections() async throws {
        let kept = [
            "Authorization: Basic a", "Cookie: a", "Content_Type: a", "If-None-Match: a", "Cache-Control: a",
            "Range: a",
        ]
        let section = (kept + ["X-Sum: 7"]).joined(separator: "\r\n") + "\r\n\r\n"
        let backend = try await Backend { wire, _ in
            let head = try await wire.receive(until: "\r\n\r\n")
            let body = try await wire.receive(until: "X-Sum: 7\r\n\r\n")
            try await wire.send(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Seen: \(body.utf8.count) \(head.utf8.count > 0)\r\n\r\n0\r\n"
                    + section)
        }
        try await withRouter(["web": backend]) { router in
            let answer = try await router.exchange(
                "POST /apps/web/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
                    + section)
            #expect(answer.values("x-seen") == ["\("0\r\nX-Sum: 7\r\n\r\n".utf8.count) true"])
            #expect(answer.body == "0\r\nX-Sum: 7\r\n\r\n")
        }
    }

    @Test func answersWithoutBodyKeepTheConnection() async throws {
        let backend = try await Backend { wire, _ in
            for answer in [
                "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n",
                "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            ] {
                _ = try await wire.receive(until: "\r\n\r\n")
                try await wire.send(answer)
            }
            _ = try await wire.receiveAll()
        }
        try await withRouter(["web": backend]) { router in
            let wire = try await router.connect()
            for (method, status) in [("HEAD", 200), ("GET", 204), ("GET", 304)] {
                try await wire.send("\(method) /apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n")
                let head = try await wire.receive(until: "\r\n\r\n")
                #expect(head.status == status)
                #expect(head.values("content-length") == (status == 204 ? [] : ["99"]))
                #expect(head.values("connection").isEmpty)
            }
            try await wire.send("GET /apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n")
            let last = try await wire.receiveMessage()
            #expect(last.body == "ok")
            await wire.close()
        }
        #expect(backend.acceptedConnections == 1)
    }

    @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
        let backend = try await Backend.echo()
        try await withRouter(["web": backend]) { router in
            let count = 500
            let requests = (1...count).map { number in
                let close = number == count ? "Connection: close\r\n" : ""
                // Every other request is the router's own to answer.
                let path = number % 2 == 0 ? "/apps/web/\(number)" : "/apps/none/\(number)"
                return "POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\(close)\r\n"
            }
            let answer = try await router.exchange(requests.joined())
            let lines = answer.split(separator: "\r\n").filter {
                $0.hasPrefix("POST /") || $0.hasPrefix("HTTP/1.1 404")
            }
            #expect(lines.count == count)
            let numbers = lines.enumerated().filter { $0.offset % 2 == 1 }.map { $0.element.split(separator: " ")[1] }
            #expect(numbers.map(String.init) == stride(from: 2, through: count, by: 2).map { "/\($0)" })
        }
        #expect(backend.acceptedConnections == 1)
    }

    /// An answer given from within the one before would take more stack with every request.
    @Test func longPipelineNeedsNoStack() async throws {
        try await withRouter { router in
            let count = 6_000
            let wire = try await router.connect()
            let one = "GET /apps/a HTTP/1.1\r\nHost: a\r\n\r\n"
            try await wire.send(
                String(repeating: one, count: count) + "GET / HTTP/1.1\r\nConnection: close\r\nHost: a\r\n\r\n")
            let answers = try await wire.receiveAll()
            #expect(
                answers.utf8.split(separator: UInt8(ascii: "\n")).count { $0.starts(with: "HTTP/1.1 308".utf8) }
                    == count)
            await wire.close()
        }
    }

    @Test func oldClientGetsABodyThatEndsWithTheConnection() async throws {
        let backend = try await Backend.fixed(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        try await withRouter(["web": backend]) { router in
            let answer = try await router.exchange("GET /apps/web/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(answer.body == "abcde")
            #expect(answer.values("connection") == ["close"])
        }
    }

    @Test func oldClientMayKeepItsConnectionWhenTheLengthIsKnown() async throws {
        let backend = try await Backend.echo()
        try await withRouter(["web": backend]) { router in
            let wire = try await router.connect()
            for _ in 1...2 {
                try await wire.send("GET /apps/web/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                let answer = try await wire.receiveMessage()
                #expect(answer.values("connection") == ["keep-alive"])
            }
            await wire.close()
        }
    }

    @Test func addressesOfTheAppBecomePublicOnes() async throws {
        let port = Received()
        let backend = try await Backend { wire, _ in
            let number = await port.value()
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.send(
                "HTTP/1.1 302 Found\r\nLocation: http://localhost:\(number)/login?a=1\r\nContent-Length: 0\r\n"
                    + "Set-Cookie: id=1; Path=/; HttpOnly\r\nSet-Cookie: b=/; path=/x\r\nSet-Cookie: c=2\r\n\r\n")
        }
        await port.set(String(backend.port))
        try await withRouter(["web": backend]) { router in
            let answer = try await router.get("/apps/web/")
            #expect(answer.values("location") == ["http://router.test:8080/apps/web/login?a=1"])
            #expect(
                answer.values("set-cookie") == ["id=1; Path=/apps/web/; HttpOnly", "b=/; path=/apps/web/x", "c=2"])
        }
    }

    /// An app's page once cleared the cookies of the dashboard, which is on another port of the same host.
    @Test func anAppBelowAPathCannotClearOrServeWhatBelongsToTheOthers() async throws {
        let backend = try await Backend.fixed(
            "HTTP/1.1 200 OK\r\nClear-Site-Data: \"cookies\"\r\nService-Worker-Allowed: /\r\n"
                + "Content-Length: 1\r\n\r\nx")
        try await withRouter(["web": backend]) { router in
            let below = try await router.get("/apps/web/")
            #expect(below.values("clear-site-data").isEmpty)
            #expect(below.values("service-worker-allowed").isEmpty)
            let own = try await router.exchange("GET / HTTP/1.1\r\nHost: web.localhost\r\nConnection: close\r\n\r\n")
            #expect(own.values("clear-site-data") == ["\"cookies\""])
        }
    }

    @Test func interimAnswersArePassedOn() async throws {
        let backend = try await Backend.fixed(
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
        try await withRouter(["web": backend]) { router in
            let answer = try await router.get("/apps/web/")
            #expect(answer.hasPrefix("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n"))
        }
    }

    @Test func appDecidesAboutContinue() async throws {
        let backend = try await Backend { wire, _ in
            let head = try await wire.receive(until: "\r\n\r\n")
            guard head.values("expect") == ["100-continue"] else { return }
            try await wire.send("HTTP/1.1 100 Continue\r\n\r\n")
            let body = try await wire.receive(count: 4)
            try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\(body)")
        }
        try await withRouter(["web": backend], configure: { $0.continueTimeout = .seconds(3_600) }) { router in
            let wire = try await router.connect()
            try await wire.send(
                "POST /apps/web/ HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 4\r\n\r\n")
            let interim = try await wire.receive(until: "\r\n\r\n")
            #expect(interim.status == 100)
            try await wire.send("body")
            let answer = try await wire.receiveMessage()
            #expect(answer.status == 200 && answer.body == "body")
            await wire.close()
        }
    }

    @Test func routerContinuesForAnAppThatDoesNot() async throws {
        let backend = try await Backend.echo()
        try await withRouter(["web": backend], configure: { $0.continueTimeout = .milliseconds(20) }) { router in
            let wire = try await router.connect()
            try await wire.send(
                "POST /apps/web/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
            let interim = try await wire.receive(until: "\r\n\r\n")
            #expect(interim == "HTTP/1.1 100 Continue\r\n\r\n")
            try await wire.send("body")
            let answer = try await wire.receiveMessage()
            #expect(answer.status == 200 && answer.hasSuffix("body"))
            await wire.close()
        }
    }

    @Test func refusalBeforeTheBodyEndsTheConnectionInOrder() async throws {
        let backend = try await Backend { wire, _ in
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
            _ = try await wire.receiveAll()
        }
        try await withRouter(["web": backend], configure: { $0.continueTimeout = .seconds(3_600) }) { router in
            let wire = try await router.connect()
            try await wire.send(
                "POST /apps/web/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 99\r\n\r\n")
            let answer = try await wire.receiveAll()
            #expect(answer.status == 413 && answer.body == "big")
            #expect(answer.values("connection") == ["close"])
            await wire.close()
        }
    }

    @Test func eventsArriveOneByOne() async throws {
        let acknowledged = (Received(), Received())
        let backend = try await Backend { wire, _ in
            _ = try await wire.receive(until: "\r\n\r\n")
            try await wire.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\ndata: 1\n\n")
            _ = await acknowledged.0.value()
            try await wire.send("data: 2\n\n")
            _ = await acknowledged.1.value()
        }
        try await withRouter(["web": backend]) { router in
            let wire = try await router.connect()
            try await wire.send("GET /apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try await wire.receive(until: "9\r\ndata: 1\n\n\r\n")
            await acknowledged.0.set("")
            _ = try await wire.receive(until: "9\r\ndata: 2\n\n\r\n")
            await acknowledged.1.set("")
            _ = try await wire.receive(until: "0\r\n\r\n")
            await wire.close()
        }
    }

    @Test func accessLogTellsWhatHappened() async throws {
        let backend = try await Backend.echo()
        try await withRouter(["web": backend]) { router in
            let answer = try await router.get("/apps/web/a?secret=1")
            _ = try await router.get("/apps/none/")
            var records = router.records.makeAsyncIterator()
            let first = await records.next()
            #expect(first?.app == "web" && first?.method == "GET" && first?.path == "/apps/web/a")
            #expect(first?.status == 200 && first?.upstreamID == "i-web" && first?.isCut == false)
            #expect(first?.bytes == Int64(answer.body.utf8.count))
            #expect(first?.requestID.description == answer.values("x-request-id").first)
            let second = await records.next()
            #expect(second?.app == "none" && second?.status == 404 && second?.upstreamID == nil)
        }
    }
}
