// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import ControlPlane

struct APIAppTests {
    private static let hello = #"{"name": "hello", "command": "./server --port $PORT"}"#

    @Test func anAppIsCreatedReadChangedAndDestroyed() async throws {
        try await APIHarness.run { api async throws in
            try await api.register()
            let created = try await api.request("POST", "/apps", Self.hello)
            #expect(created.status == 201)
            #expect(created.headers["location"] == "/apps/hello")
            #expect(created.headers["content-type"] == "application/json")
            let app = try created.decoded(App.self)
            #expect(app.status == .pending)
            #expect(app.urls.count == 2)

            let byID = try await api.request("GET", "/apps/\(app.id)")
            #expect(byID.status == 200)
            #expect(try byID.decoded(App.self).name.rawValue == "hello")
            #expect(byID.headers["etag"] == created.headers["etag"])
            #expect(byID.headers["date"]?.hasSuffix("GMT") == true)
            #expect(try await api.request("GET", "/apps").decoded([App].self).count == 1)
            #expect(try await api.request("HEAD", "/apps/hello").body.isEmpty)

            let patched = try await api.request("PATCH", "/apps/hello", #"{"limits": {"memoryBytes": 268435456}}"#)
            #expect(patched.status == 200)
            #expect(try patched.decoded(App.self).rollout?.release == "v2")
            #expect(try await api.request("GET", "/apps/hello/releases").decoded([Release].self).count == 2)

            #expect(try await api.request("DELETE", "/apps/hello").status == 204)
            #expect(try await api.request("GET", "/apps/hello").status == 404)
            #expect(try await api.request("GET", "/apps").body == "[]\n")
        }
    }

    @Test func everyKeyOfAnAppIsThere() async throws {
        try await APIHarness.run { api async throws in
            let body = try await api.request("POST", "/apps", Self.hello).body
            for key in [
                "id", "name", "command", "status", "port", "pid", "restarts", "instances", "release", "limits",
                "lastExit", "createdAt", "updatedAt",
            ] {
                #expect(body.contains("\"\(key)\":"), "\(key)")
            }
        }
    }

    @Test func commandsAnswerWithTheApp() async throws {
        try await APIHarness.run { api async throws in
            try await api.register()
            _ = try await api.request("POST", "/apps", Self.hello)
            #expect(try await api.request("POST", "/apps/hello/stop").decoded(App.self).desired == .stopped)
            #expect(try await api.request("POST", "/apps/hello/start").decoded(App.self).rollout?.kind == .start)
            #expect(try await api.request("POST", "/apps/hello/restart").decoded(App.self).rollout?.kind == .restart)
            let scaled = try await api.request("POST", "/apps/hello/scale", #"{"instances": 3}"#)
            #expect(try scaled.decoded(App.self).instances == 3)
            let instances = try await api.request("GET", "/apps/hello/instances").decoded([Instance].self)
            #expect(instances.filter { $0.desired == .running }.map(\.name) == ["web.1", "web.2", "web.3"])
            let rollback = try await api.request("POST", "/apps/hello/rollback", #"{"release": "v1"}"#)
            #expect(try rollback.decoded(App.self).rollout?.kind == .rollback)
            #expect(try await api.request("POST", "/apps/hello/rollback").status == 409)
        }
    }

    @Test func ifMatchProtectsFromLostUpdates() async throws {
        try await APIHarness.run { api async throws in
            let tag = try #require(try await api.request("POST", "/apps", Self.hello).headers["etag"])
            let first = try await api.request("PATCH", "/apps/hello", #"{"instances": 2}"#, headers: ["If-Match": tag])
            #expect(first.status == 200)
            let second = try await api.request("PATCH", "/apps/hello", #"{"instances": 3}"#, headers: ["If-Match": tag])
            #expect(second.status == 412)
            #expect(try second.decoded(Problem.self).type == "/problems/stale")
            #expect(try await api.request("DELETE", "/apps/hello", headers: ["If-Match": tag]).status == 412)
            #expect(try await api.request("DELETE", "/apps/hello", headers: ["If-Match": "*"]).status == 204)
        }
    }

    @Test func anIdempotencyKeyMakesARetrySafe() async throws {
        try await APIHarness.run { api async throws in
            let headers = ["Idempotency-Key": "k"]
            let first = try await api.request("POST", "/apps", Self.hello, headers: headers)
            let second = try await api.request("POST", "/apps", Self.hello, headers: headers)
            #expect(second.status == 201)
            #expect(try first.decoded(App.self).id == second.decoded(App.self).id)
            #expect(try await api.request("POST", "/apps", Self.hello).status == 409)
        }
    }

    /// A request that must be refused.
    struct Refusal: CustomTestStringConvertible, Sendable {
        var method: String
        var path: String
        var body: String?
        var type = "application/json"
        var status: UInt
        var detail: String
        var testDescription: String { "\(method) \(path) \(body?.prefix(40) ?? "") → \(status)" }
    }

    @Test(arguments: [
        Refusal(method: "POST", path: "/apps", body: "{oops", status: 400, detail: "line 1"),
        Refusal(method: "POST", path: "/apps", body: "", status: 400, detail: "not valid JSON"),
        Refusal(method: "POST", path: "/apps", body: "[]", status: 400, detail: "not a JSON object"),
        Refusal(method: "POST", path: "/apps", body: #"{"name": "x"}"#, status: 422, detail: "command"),
        Refusal(method: "POST", path: "/apps", body: #"{"command": "x"}"#, status: 422, detail: "name"),
        Refusal(method: "POST", path: "/apps", body: #"{"name": "x", "comand": "x"}"#, status: 422, detail: "comand"),
        Refusal(
            method: "POST", path: "/apps", body: #"{"name": "x", "command": []}"#, status: 422, detail: "empty list"),
        Refusal(
            method: "POST", path: "/apps", body: #"{"name": "x", "command": "x", "env": {"PORT": "1"}}"#, status: 422,
            detail: "env.PORT"),
        Refusal(
            method: "POST", path: "/apps", body: "name=x", type: "application/x-www-form-urlencoded", status: 415,
            detail: "application/json"),
        Refusal(method: "GET", path: "/apps/nobody", status: 404, detail: "no app 'nobody'"),
        Refusal(method: "POST", path: "/apps/nobody/start", status: 404, detail: "no app 'nobody'"),
        Refusal(method: "GET", path: "/nothing", status: 404, detail: "/nothing"),
        Refusal(method: "PUT", path: "/apps", status: 405, detail: "GET, HEAD, POST"),
        Refusal(method: "POST", path: "/healthz", status: 405, detail: "GET"),
        Refusal(method: "GET", path: "/events?limit=many", status: 422, detail: "limit"),
        Refusal(method: "GET", path: "/events?follow=perhaps", status: 422, detail: "follow"),
        Refusal(method: "GET", path: "/events?follow=1", status: 422, detail: "follow"),
        Refusal(method: "GET", path: "/events?since=1125899906842624&follow=", status: 422, detail: "follow"),
        Refusal(method: "GET", path: "/apps?limt=1", status: 422, detail: "there are after, limit"),
        Refusal(method: "GET", path: "/apps?limit=1&limit=2", status: 422, detail: "given twice"),
        Refusal(method: "POST", path: "/apps?dry=true", status: 422, detail: "there is none"),
        Refusal(method: "GET", path: "/stats?since=yesterday", status: 422, detail: "start"),
        Refusal(method: "GET", path: "/bundles/xyz", status: 404, detail: "bundle"),
        Refusal(method: "GET", path: "/agent/v1/nodes/n9/assignments", status: 404, detail: "has not registered"),
        Refusal(
            method: "POST", path: "/agent/v1/nodes/n9/reports", body: #"{"reports": []}"#, status: 404, detail: "n9"),
        Refusal(
            method: "PUT", path: "/agent/v1/nodes/n9", body: #"{"name": "n9"}"#, status: 422, detail: "is required"),
    ])
    func whatIsWrongIsAProblemThatSaysWhat(refusal: Refusal) async throws {
        try await APIHarness.run { api async throws in
            let answer = try await api.request(
                refusal.method, refusal.path, refusal.body,
                headers: refusal.body == nil ? [:] : ["Content-Type": refusal.type])
            #expect(answer.status == refusal.status)
            #expect(answer.headers["content-type"] == "application/problem+json")
            let problem = try answer.decoded(Problem.self)
            #expect(problem.status == Int(refusal.status))
            #expect(problem.detail.contains(refusal.detail), "\(problem.detail)")
            #expect((problem.field != nil) == (refusal.status == 422))
            if refusal.status == 405 { #expect(answer.headers["allow"] != nil) }
        }
    }

    @Test func aBodyOverTheLimitIsRefused() async throws {
        try await APIHarness.run { api async throws in
            let large = #"{"name": "x", "command": ""# + String(repeating: "a", count: 1 << 20) + #""}"#
            let answer = try await api.request("POST", "/apps", large)
            #expect(answer.status == 413)
            #expect(try answer.decoded(Problem.self).type == "/problems/too-large")
        }
    }

    @Test func aTakenNameIsAConflictThatSaysWhatToDo() async throws {
        try await APIHarness.run { api async throws in
            _ = try await api.request("POST", "/apps", Self.hello)
            let answer = try await api.request("POST", "/apps", Self.hello)
            #expect(answer.status == 409)
            #expect(try answer.decoded(Problem.self).detail.contains("PATCH"))
        }
    }
}
