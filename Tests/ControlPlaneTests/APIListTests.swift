// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import Foundation
import NIOHTTP1
import PaaSModel
import Testing

@testable import ControlPlane

/// Pages, streams of records, and requests that are carried out once.
struct APIListTests {
    private static func create(_ api: APIHarness, _ names: String...) async throws {
        for name in names {
            let answer = try await api.request("POST", "/apps", #"{"name": "\#(name)", "command": "x"}"#)
            #expect(answer.status == 201)
        }
    }

    /// Follows `Link: rel="next"` to the end.
    private static func pages<Item: Decodable>(
        _ api: APIHarness, _ path: String, relation: String = "next"
    ) async throws -> [[Item]] {
        var (next, pages): (String?, [[Item]]) = (path, [])
        while let path = next {
            let answer = try await api.request("GET", path)
            pages.append(try answer.decoded([Item].self))
            let link = answer.headers["link"]
            #expect(link?.hasSuffix("; rel=\"\(relation)\"") != false)
            next = link.map { String($0.dropFirst().prefix { $0 != ">" }) }
        }
        return pages
    }

    @Test func appsComeInPagesThatCreationAndDestructionDoNotDisturb() async throws {
        try await APIHarness.run { api async throws in
            try await Self.create(api, "e", "a", "c", "b", "d")
            let pages: [[App]] = try await Self.pages(api, "/apps?limit=2")
            #expect(pages.map { $0.map(\.name.rawValue) } == [["a", "b"], ["c", "d"], ["e"]])
            _ = try await api.request("DELETE", "/apps/b")
            let rest = try await api.request("GET", "/apps?limit=2&after=b").decoded([App].self)
            #expect(rest.map(\.name.rawValue) == ["c", "d"])
            #expect(try await api.request("GET", "/apps").decoded([App].self).count == 4)
            #expect(try await api.request("GET", "/apps?limit=0").status == 422)
        }
    }

    @Test func releasesAndEventsComeInPages() async throws {
        try await APIHarness.run { api async throws in
            try await Self.create(api, "a")
            for number in 1...4 { _ = try await api.request("PATCH", "/apps/a", #"{"env": {"N": "\#(number)"}}"#) }
            let releases: [[Release]] = try await Self.pages(api, "/apps/a/releases?limit=2")
            #expect(releases.map { $0.map(\.name) } == [["v5", "v4"], ["v3", "v2"], ["v1"]])
            _ = try await api.request("POST", "/apps/a/stop")
            _ = try await api.request("POST", "/apps/a/start")
            let all = try await api.request("GET", "/events").decoded([Event].self).map(\.id)
            #expect(all.count >= 3)
            let forward: [[Event]] = try await Self.pages(api, "/events?limit=2&since=0")
            #expect(forward.joined().map(\.id) == all)
            let backward: [[Event]] = try await Self.pages(api, "/events?limit=2", relation: "prev")
            #expect(backward.reversed().joined().map(\.id) == all)
        }
    }

    @Test func anEventThatIsNoLongerKeptOrYetToComeIsGone() async throws {
        try await APIHarness.run { api async throws in
            try await Self.create(api, "a", "b", "c")
            _ = try await api.service.store.transaction([], [.delete(key: StoreKey.event(1))])
            #expect(try await api.request("GET", "/events?since=1").status == 200)
            _ = try await api.service.store.transaction([], [.delete(key: StoreKey.event(2))])
            let gone = try await api.request("GET", "/events?since=1")
            #expect(gone.status == 410)
            #expect(try gone.decoded(Problem.self).type == "/problems/gone")
            #expect(try await api.request("GET", "/events?since=1&follow=true").status == 410)
            #expect(try await api.request("GET", "/events?since=99").status == 410)
            #expect(try await api.request("GET", "/events?since=0").status == 200)
        }
    }

    @Test func releasesAreFollowedFromARevision() async throws {
        try await APIHarness.run { api async throws in
            try await Self.create(api, "a")
            let list = try await api.request("GET", "/apps/a/releases")
            let revision = try #require(list.headers["mini-paas-revision"])
            let stream = try await api.execute("GET", "/apps/a/releases?follow=true&revision=\(revision)")
            #expect(stream.headers["content-type"] == ["application/x-ndjson"])
            var lines = LineReader(stream)
            _ = try await api.request("PATCH", "/apps/a", #"{"env": {"A": "1"}}"#)
            let changed = try await [lines.next(), lines.next()].compactMap { line in
                try line.map { try JSONDecoder().decode(Release.self, from: Data($0.utf8)).name }
            }
            #expect(changed.sorted() == ["v1", "v2"])
            // From the beginning, as server-sent events with the revision as their id.
            let events = try await api.execute("GET", "/apps/a/releases", headers: ["Accept": "text/event-stream"])
            var frames = LineReader(events)
            #expect(try await frames.next()?.hasPrefix("id: ") == true)
            #expect(try await frames.next()?.contains("\"name\":\"v1\"") == true)
            #expect(try await api.request("GET", "/apps/a/releases?follow=true&revision=99999").status == 410)
        }
    }

    @Test func instancesThatGoAreToldOf() async throws {
        try await APIHarness.run { api async throws in
            try await api.register()
            try await Self.create(api, "a")
            var lines = LineReader(try await api.execute("GET", "/apps/a/instances?follow=true"))
            let first = try JSONDecoder().decode(Instance.self, from: Data((try await lines.next() ?? "").utf8))
            let key = StoreKey.instance(try await api.service.resolve("a"), first.id)
            _ = try await api.service.store.transaction([], [.delete(key: key)])
            #expect(try await lines.next() == #"{"id":"\#(first.id)","removed":true}"#)
        }
    }

    @Test(arguments: ["restart", "stop", "scale", "rollback"])
    func aRepeatedCommandIsCarriedOutOnce(verb: String) async throws {
        try await APIHarness.run { api async throws in
            try await api.register()
            try await Self.create(api, "a")
            let body = ["scale": #"{"instances": 3}"#, "rollback": #"{"release": "v1"}"#][verb]
            func send(_ key: String, _ path: String = "a") async throws -> APIHarness.Answer {
                try await api.request("POST", "/apps/\(path)/\(verb)", body, headers: ["Idempotency-Key": key])
            }
            let first = try await send("k1")
            #expect(first.status == 200, "\(first.body)")
            let events = try await api.request("GET", "/events").decoded([Event].self).count
            let again = try await send("k1")
            #expect(again.status == 200)
            #expect(again.headers["etag"] == first.headers["etag"])
            #expect(try await api.request("GET", "/events").decoded([Event].self).count == events)
            try await Self.create(api, "b")
            #expect(try await send("k1", "b").status == 409)
        }
    }

    @Test func aKeyMayBeUsedAnewAfterADay() async throws {
        try await APIHarness.run { api async throws in
            try await Self.create(api, "a")
            let headers = ["Idempotency-Key": "k"]
            _ = try await api.request("POST", "/apps/a/stop", headers: headers)
            let entry = try #require(
                try await api.service.store.read([KeyRange(prefix: StoreKey.idempotency)]).ranges[0].first)
            var record = try RecordCoding.decode(IdempotencyRecord.self, entry)
            record.createdAt = record.createdAt.advanced(bySeconds: -IdempotencyRecord.lifeSeconds)
            _ = try await api.service.store.transaction([], [try .put(entry.key, record)])
            #expect(try await api.request("POST", "/apps/a/start", headers: headers).status == 200)
        }
    }

    @Test func aRepeatedTokenIsNotMadeTwiceAndItsSecretNotShown() async throws {
        try await APIHarness.run { api async throws in
            let body = #"{"name": "t", "scope": "read"}"#
            let headers = ["Idempotency-Key": "k"]
            #expect(try await api.request("POST", "/tokens", body, headers: headers).status == 201)
            let again = try await api.request("POST", "/tokens", body, headers: headers)
            #expect(again.status == 409)
            #expect(try again.decoded(Problem.self).type == "/problems/secret-was-shown")
        }
    }
}
