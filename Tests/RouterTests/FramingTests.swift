// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Router

/// What must never reach an app, because the next hop might understand it differently.
@Suite(.timeLimit(.minutes(2)))
struct FramingTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var request: String
        var status: Int
        var testDescription: String { name }
    }

    private static func post(_ name: String, _ fields: [String], body: String = "", _ status: Int = 400) -> Case {
        let head = (["POST /apps/web/ HTTP/1.1", "Host: a"] + fields).joined(separator: "\r\n")
        return Case(name: name, request: head + "\r\n\r\n" + body, status: status)
    }

    private static func chunks(_ name: String, _ body: String) -> Case {
        post(name, ["Transfer-Encoding: chunked"], body: body)
    }

    private static func head(_ name: String, _ text: String, _ status: Int = 400) -> Case {
        Case(name: name, request: text, status: status)
    }

    private static let emptyChunks = "0\r\n\r\n"

    static let lengths: [Case] = [
        post("length and chunked", ["Content-Length: 5", "Transfer-Encoding: chunked"], body: emptyChunks),
        post("chunked and length", ["Transfer-Encoding: chunked", "Content-Length: 5"], body: emptyChunks),
        post("differing lengths", ["Content-Length: 3", "Content-Length: 4"], body: "abcd"),
        post("equal lengths twice", ["Content-Length: 3", "Content-Length: 3"], body: "abc"),
        post("length list", ["Content-Length: 3, 3"], body: "abc"),
        post("length with plus", ["Content-Length: +3"], body: "abc"),
        post("length with minus", ["Content-Length: -3"], body: "abc"),
        post("length in hex", ["Content-Length: 0x3"], body: "abc"),
        post("length with a fraction", ["Content-Length: 3.0"], body: "abc"),
        post("length empty", ["Content-Length: "], body: "abc"),
        post("length with a space", ["Content-Length: 1 2"], body: "abc"),
        post("length beyond 64 bits", ["Content-Length: 18446744073709551619"], body: "abc"),
        post("length in other digits", ["Content-Length: \u{0663}"], body: "abc"),
    ]

    static let codings: [Case] = [
        post("unknown coding", ["Transfer-Encoding: foo"], body: emptyChunks),
        post("chunked not last", ["Transfer-Encoding: chunked, identity"], body: emptyChunks),
        post("second coding", ["Transfer-Encoding: gzip, chunked"], body: emptyChunks, 501),
        post("chunked twice in a list", ["Transfer-Encoding: chunked, chunked"], body: emptyChunks, 501),
        post("chunked twice", ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], body: emptyChunks),
        post("coding with prefix", ["Transfer-Encoding: xchunked"], body: emptyChunks),
        post("coding with parameter", ["Transfer-Encoding: chunked;q=1"], body: emptyChunks),
        post("coding with vertical tab", ["Transfer-Encoding: \u{0B}chunked"], body: emptyChunks),
        post("coding in quotes", ["Transfer-Encoding: \"chunked\""], body: emptyChunks),
        post("coding empty", ["Transfer-Encoding:"], body: emptyChunks),
        head("chunked in 1.0", "POST /apps/web/ HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ]

    static let lines: [Case] = [
        post("folded field", ["X-A: a", " b"]),
        post("folded coding", ["Transfer-Encoding:", " chunked"], body: emptyChunks),
        post("folded with tab", ["X-A: a", "\tb"]),
        post("space before colon", ["Content-Length : 3"], body: "abc"),
        post("tab before colon", ["X-A\t: 3"]),
        post("no colon", ["Foo"]),
        post("empty name", [": foo"]),
        post("name with a bracket", ["X(A): 1"]),
        post("name beyond ASCII", ["X-\u{e9}: 1"]),
        post("bare CR in a value", ["X-A: a\rContent-Length: 3"]),
        post("NUL in a value", ["X-A: a\u{0}b"]),
        post("control character in a value", ["X-A: a\u{1}b"]),
        post("delete character in a value", ["X-A: a\u{7F}b"]),
        head("bare LF everywhere", "GET /apps/web/ HTTP/1.1\nHost: a\n\n"),
        head("one bare LF", "GET /apps/web/ HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"),
        head("bare LF at the end", "GET /apps/web/ HTTP/1.1\r\nHost: a\r\n\n"),
        head("first field folded", "GET /apps/web/ HTTP/1.1\r\n Host: a\r\n\r\n"),
        head("two empty lines first", "\r\n\r\nGET /apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ]

    static let startLines: [Case] = [
        head("no host", "GET /apps/web/ HTTP/1.1\r\n\r\n"),
        head("two hosts", "GET /apps/web/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        head("host with user", "GET /apps/web/ HTTP/1.1\r\nHost: u@a\r\n\r\n"),
        head("host with path", "GET /apps/web/ HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        head("host with space", "GET /apps/web/ HTTP/1.1\r\nHost: a b\r\n\r\n"),
        head("host list", "GET /apps/web/ HTTP/1.1\r\nHost: a, b\r\n\r\n"),
        head("host with bad port", "GET /apps/web/ HTTP/1.1\r\nHost: a:x\r\n\r\n"),
        head("no version", "GET /apps/web/\r\n\r\n"),
        head("version 2", "GET /apps/web/ HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        head("version 1.2", "GET /apps/web/ HTTP/1.2\r\nHost: a\r\n\r\n", 505),
        head("version in lower case", "GET /apps/web/ http/1.1\r\nHost: a\r\n\r\n"),
        head("version too long", "GET /apps/web/ HTTP/1.10\r\nHost: a\r\n\r\n"),
        head("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        head("two spaces", "GET  /apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        head("trailing space", "GET /apps/web/ HTTP/1.1 \r\nHost: a\r\n\r\n"),
        head("leading space", " GET /apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        head("space in the target", "GET /apps/web/a b HTTP/1.1\r\nHost: a\r\n\r\n"),
        head("tabs", "GET\t/apps/web/\tHTTP/1.1\r\nHost: a\r\n\r\n"),
        head("fragment", "GET /apps/web/#x HTTP/1.1\r\nHost: a\r\n\r\n"),
        head("target beyond ASCII", "GET /apps/web/\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n"),
        head("target without slash", "GET apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        head("asterisk for GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
        head("other scheme", "GET ftp://a/apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        head("absolute without host", "GET http:///apps/web/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        head("half percent in the app's name", "GET /apps/we%6/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        head("connect", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        head("unknown expectation", "GET /apps/web/ HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n", 417),
    ]

    static let chunking: [Case] = [
        chunks("size ends in LF", "1\na\r\n0\r\n\r\n"),
        chunks("data ends in LF", "1\r\na\n0\r\n\r\n"),
        chunks("end ends in LF", "1\r\na\r\n0\r\n\n"),
        chunks("last size ends in LF", "1\r\na\r\n0\n\r\n"),
        chunks("extension ends in LF", "1;a=b\na\r\n0\r\n\r\n"),
        chunks("space after the size", "1 \r\na\r\n0\r\n\r\n"),
        chunks("space before the size", " 1\r\na\r\n0\r\n\r\n"),
        chunks("size with prefix", "0x1\r\na\r\n0\r\n\r\n"),
        chunks("size with plus", "+1\r\na\r\n0\r\n\r\n"),
        chunks("size with minus", "-1\r\na\r\n0\r\n\r\n"),
        chunks("size empty", "\r\na\r\n0\r\n\r\n"),
        chunks("size is an extension", ";a\r\n0\r\n\r\n"),
        chunks("size beyond 64 bits", "10000000000000001\r\na\r\n0\r\n\r\n"),
        chunks("size of many zeros", "00000000000000000001\r\na\r\n0\r\n\r\n"),
        chunks("more data than stated", "1\r\nab\r\n0\r\n\r\n"),
        chunks("endless extension", "1;" + String(repeating: "a", count: 300) + "\r\na\r\n0\r\n\r\n"),
        chunks("extension without a name", "1;\r\na\r\n0\r\n\r\n"),
        chunks("extension beyond ASCII", "1;a=\u{e9}\r\na\r\n0\r\n\r\n"),
        chunks("trailer that frames", "0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        chunks("CR in an extension", "1;a\rb\r\na\r\n0\r\n\r\n"),
        chunks("folded trailer", "0\r\nX-T: 1\r\n 2\r\n\r\n"),
        chunks("trailer without colon", "0\r\nX-T\r\n\r\n"),
        chunks("trailer ends in LF", "0\r\nX-T: 1\n\r\n"),
        chunks(
            "endless trailers", "0\r\n" + String(repeating: "X-T: 1\r\n", count: 1_500) + "\r\n"),
    ]

    @Test(arguments: [lengths, codings, lines, startLines].joined())
    func ambiguousHeadIsRefusedAndReachesNoApp(_ refused: Case) async throws {
        let backend = try await Backend.echo()
        try await withRouter(["web": backend]) { router in
            // A second request behind the first: after a refusal nothing that follows may be understood as one.
            let answer = try await router.exchange(
                refused.request + "GET /apps/web/smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(answer.status == refused.status)
            #expect(answer.values("connection") == ["close"])
            #expect(!answer.body.contains("\nHTTP/1.1 "))
        }
        #expect(backend.acceptedConnections == 0)
    }

    /// Bodies are streamed, so the app may have seen the head already; it must never see an end of the body.
    @Test(arguments: chunking)
    func malformedChunkingIsRefused(_ refused: Case) async throws {
        let received = Received()
        let backend = try await Backend { wire, _ in
            await received.set(try await wire.receiveAll())
        }
        try await withRouter(["web": backend]) { router in
            let answer = try await router.exchange(
                refused.request + "GET /apps/web/smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(answer.status == 400 || answer.status == 431)
            #expect(answer.values("connection") == ["close"])
        }
        let text = await received.value()
        #expect(!text.hasSuffix("0\r\n\r\n"))
        #expect(!text.contains("smuggled"))
    }

    @Test(arguments: [
        ("one empty line first", "\r\nGET /apps/web/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        ("absolute form", "GET http://b/apps/web/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        ("encoded name", "GET /apps/%77eb/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        ("unregistered method", "FROB /apps/web/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        ("1.0 without host", "GET /apps/web/x HTTP/1.0\r\n\r\n"),
        ("empty host", "GET /apps/web/x HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n"),
        ("IPv6 host", "GET /apps/web/x HTTP/1.1\r\nHost: [::1]:8080\r\nConnection: close\r\n\r\n"),
        ("options asterisk of an app", "OPTIONS * HTTP/1.1\r\nHost: web.localhost\r\nConnection: close\r\n\r\n"),
    ])
    func unusualButClearHeadIsAccepted(_ name: String, _ request: String) async throws {
        let backend = try await Backend.echo()
        try await withRouter(["web": backend]) { router in
            let answer = try await router.exchange(request)
            #expect(answer.status == 200)
        }
    }

    @Test func tooLargeHeadsAreRefusedWithTheirOwnStatus() async throws {
        try await withRouter { router in
            let long = String(repeating: "a", count: 9_000)
            let target = try await router.get("/" + long)
            #expect(target.status == 414)
            let endlessTarget = try await router.exchange("GET /" + String(repeating: long, count: 2))
            #expect(endlessTarget.status == 414)
            let value = try await router.get("/", fields: ["X-A: " + String(repeating: long, count: 4)])
            #expect(value.status == 431)
            let many = try await router.get("/", fields: (0..<200).map { "X-\($0): 1" })
            #expect(many.status == 431)
        }
    }

    /// What is answered while a byte comes now and then.
    private func answerToTrickle(on wire: Wire) async throws -> String {
        let sending = Task {
            while !Task.isCancelled {
                try await wire.send("a")
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        defer { sending.cancel() }
        return try await wire.receive(until: "\r\n\r\n")
    }

    @Test func slowHeadIsAnswered408() async throws {
        try await withRouter(configure: { $0.headTimeout = .milliseconds(50) }) { router in
            let answer = try await router.exchange("GET / HTTP/1.1\r\nHo")
            #expect(answer.status == 408)
        }
    }

    /// Whenever something came the time began anew, and slowhttptest held its connections for ever.
    @Test func headThatComesByteByByteIsAnswered408() async throws {
        try await withRouter(configure: {
            $0.headTimeout = .milliseconds(300)
            $0.limits.requestHeadBytes = 512
        }) { router in
            let wire = try await router.connect()
            try await wire.send("GET / HTTP/1.1\r\nX-A: ")
            // All that a head may have takes longer than its time; then it would be 431.
            #expect(try await answerToTrickle(on: wire).status == 408)
            await wire.close()
        }
    }

    @Test func slowBodyIsAnswered408() async throws {
        let backend = try await Backend.echo()
        try await withRouter(["web": backend], configure: { $0.bodyTimeout = .milliseconds(50) }) { router in
            let answer = try await router.exchange(
                "POST /apps/web/ HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
            #expect(answer.status == 408)
        }
    }

    /// A byte now and then ended every silence, and held a place among the app's requests for ever.
    @Test func bodyThatTricklesIsAnswered408() async throws {
        let backend = try await Backend.echo()
        try await withRouter(["web": backend], configure: { $0.bodyTimeout = .milliseconds(300) }) { router in
            let wire = try await router.connect()
            try await wire.send("POST /apps/web/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
            #expect(try await answerToTrickle(on: wire).status == 408)
            await wire.close()
        }
    }

    @Test func idleConnectionIsClosedWithoutAWord() async throws {
        try await withRouter(configure: { $0.idleTimeout = .milliseconds(50) }) { router in
            let answer = try await router.exchange("")
            #expect(answer.isEmpty)
        }
    }
}

/// A value that a test waits for.
actor Received {
    private var text: String?
    private var waiters: [CheckedContinuation<String, Never>] = []

    func set(_ value: String) {
        text = value
        for waiter in waiters { waiter.resume(returning: value) }
        waiters = []
    }

    func value() async -> String {
        if let text { return text }
        return await withCheckedContinuation { waiters.append($0) }
    }
}
