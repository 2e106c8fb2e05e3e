// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import Router

struct RouteMemoTests {
    private let client = Client(address: "192.0.2.1", isEncrypted: false)

    private func head(_ method: String, _ target: String, _ host: String?) throws -> (RequestHead, Range<Int>?) {
        let field = host.map { "Host: \($0)\r\n" } ?? ""
        let text = "\(method) \(target) HTTP/1.\(host == nil ? 0 : 1)\r\n\(field)"
        let head = try HeadParser.request(ByteBuffer(string: text), maxTarget: 8_192)
        return (head, try RequestFacts(head).host)
    }

    private static let hosts = ["a:8080", "A:8080", "web.localhost", "web.localhost:80", "", nil]
    private static let targets = [
        "/apps/web/", "/apps/web/x?y", "/apps/web", "/apps/web?x", "/apps/webs/", "/apps/%77eb/x", "/", "/other", "*",
        "http://b:1/apps/web/x", "http://web.localhost/x", "/apps/web//apps/web/",
    ]

    /// Whatever was remembered: what is found is what asking would have said.
    @Test func whatIsFoundIsWhatRoutingSays() throws {
        let requests = Self.hosts.flatMap { host in
            Self.targets.flatMap { target in ["GET", "OPTIONS", "CONNECT"].map { ($0, target, host) } }
        }
        var found = 0
        for (method, target, host) in requests {
            let (first, firstHost) = try head(method, target, host)
            let destination = try? RequestRouting.destination(method: method, target: target, host: host)
            guard case .app(let request)? = destination else { continue }
            var memo = RouteMemo()
            memo.remember(request, first, host: firstHost, client: client)
            for (method, target, host) in requests {
                let (second, secondHost) = try head(method, target, host)
                guard var known = memo.find(second, host: secondHost), case .end(let count) = known.target else {
                    continue
                }
                known.target = .text(String(target.suffix(count)))
                let expected = try RequestRouting.destination(method: method, target: target, host: host)
                #expect(.app(known) == expected, "\(method) \(target) \(host ?? "-")")
                found += 1
            }
        }
        #expect(found > 50)
    }

    @Test func theSameAgainIsFound() throws {
        let (head, host) = try head("GET", "/apps/web/a", "a:8080")
        guard
            case .app(let request) = try RequestRouting.destination(
                method: "GET", target: "/apps/web/a", host: "a:8080")
        else {
            Issue.record("no app")
            return
        }
        var memo = RouteMemo()
        #expect(memo.find(head, host: host) == nil)
        memo.remember(request, head, host: host, client: client)
        #expect(memo.find(head, host: host)?.target == .end(count: 2))
        #expect(memo.find(head, host: host)?.app == "web")
    }
}
