// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import PaaSModel
import Testing

@testable import ControlPlane

struct TokenTests {
    private static let hello = #"{"name": "hello", "command": "./server"}"#
    private static let other = #"{"name": "other", "command": "./server"}"#

    /// Makes a token over the Unix socket.
    private static func create(_ api: APIHarness, _ scope: String, name: String = "t") async throws -> CreatedToken {
        let answer = try await api.request("POST", "/tokens", #"{"name": "\#(name)", "scope": "\#(scope)"}"#)
        #expect(answer.status == 201, "\(answer.body)")
        let created = try answer.decoded(CreatedToken.self)
        #expect(answer.headers["location"] == "/tokens/\(created.token.id)")
        return created
    }

    private static func status(
        _ api: APIHarness, _ secret: String, _ method: String, _ path: String, _ body: String? = nil
    ) async throws -> UInt {
        let headers = ["Authorization": "Bearer \(secret)"]
        return try await api.request(method, path, body, headers: headers, overTCP: true).status
    }

    @Test func aTokenIsListedWithoutItsSecretAndStoredOnlyAsADigest() async throws {
        try await APIHarness.run { api async throws in
            let created = try await Self.create(api, "read", name: "grafana")
            let list = try await api.request("GET", "/tokens")
            #expect(try list.decoded([Token].self) == [created.token])
            #expect(!list.body.contains(created.secret.suffix(20)))
            #expect(try await api.request("GET", "/tokens/grafana").decoded(Token.self) == created.token)
            for name in try FileManager.default.contentsOfDirectory(atPath: api.directory.path)
            where name.hasPrefix("paas.db") {
                let bytes = try Data(contentsOf: URL(filePath: api.directory.path + "/" + name))
                #expect(bytes.range(of: Data(created.secret.suffix(40).utf8)) == nil, "\(name)")
            }
        }
    }

    @Test func everyScopeOpensWhatItSaysAndNothingElse() async throws {
        try await APIHarness.run { api async throws in
            _ = try await api.request("POST", "/apps", Self.hello)
            _ = try await api.request("POST", "/apps", Self.other)
            let id = try await api.request("GET", "/apps/hello").decoded(App.self).id
            let otherID = try await api.request("GET", "/apps/other").decoded(App.self).id
            let digest = String(repeating: "a", count: 64)
            let admin = try await Self.create(api, "admin", name: "a").secret
            let read = try await Self.create(api, "read", name: "r").secret
            let deploy = try await Self.create(api, "deploy:hello", name: "d").secret
            // What is allowed but has nothing to act on is a 404 or 422, never a 403.
            let cases: [(String, String, String?, read: Bool, deploy: Bool)] = [
                ("GET", "/apps", nil, true, true),
                ("GET", "/apps/hello", nil, true, true),
                ("GET", "/apps/\(id)", nil, true, true),
                ("GET", "/apps/other", nil, true, false),
                ("GET", "/apps/\(otherID)", nil, true, false),
                ("GET", "/apps/nothing", nil, true, false),
                ("GET", "/apps/hello/events", nil, true, true),
                ("GET", "/apps/other/logs", nil, true, false),
                ("GET", "/events", nil, true, false),
                ("GET", "/nodes", nil, true, true),
                ("HEAD", "/bundles/\(digest)", nil, false, true),
                ("GET", "/bundles/\(digest)", nil, false, false),
                ("POST", "/apps/hello/stop", nil, false, true),
                ("POST", "/apps/other/stop", nil, false, false),
                ("PATCH", "/apps/\(id)", #"{"instances": 1}"#, false, true),
                ("PATCH", "/apps/\(otherID)", #"{"instances": 1}"#, false, false),
                ("DELETE", "/apps/hello", nil, false, false),
                ("POST", "/apps", Self.hello, false, true),
                ("POST", "/apps", Self.other, false, false),
                ("GET", "/tokens", nil, false, false),
                ("POST", "/tokens", #"{"name": "x", "scope": "admin"}"#, false, false),
                ("DELETE", "/tokens/a", nil, false, false),
                ("GET", "/agent/v1/nodes/n1/assignments", nil, false, false),
                ("PUT", "/agent/v1/nodes/n1", "{}", false, false),
            ]
            for (method, path, body, mayRead, mayDeploy) in cases {
                let label: Comment = "\(method) \(path)"
                #expect((try await Self.status(api, read, method, path, body) != 403) == mayRead, label)
                #expect((try await Self.status(api, deploy, method, path, body) != 403) == mayDeploy, label)
            }
            #expect(try await Self.status(api, admin, "GET", "/tokens") == 200)
            #expect(try await Self.status(api, admin, "DELETE", "/apps/hello") == 204)
        }
    }

    @Test func aDeployTokenSeesItsOwnAppInTheList() async throws {
        try await APIHarness.run { api async throws in
            _ = try await api.request("POST", "/apps", Self.hello)
            _ = try await api.request("POST", "/apps", Self.other)
            let secret = try await Self.create(api, "deploy:hello").secret
            let list = try await api.request(
                "GET", "/apps", headers: ["Authorization": "Bearer \(secret)"], overTCP: true)
            #expect(try list.decoded([App].self).map(\.name.rawValue) == ["hello"])
        }
    }

    @Test func aDeployTokenForANameOpensNoAppThatHasItAsItsID() async throws {
        try await APIHarness.run { api async throws in
            _ = try await api.request("POST", "/apps", Self.hello)
            let id = try await api.request("GET", "/apps/hello").decoded(App.self).id
            let secret = try await Self.create(api, "deploy:\(id)").secret
            #expect(try await Self.status(api, secret, "GET", "/apps/\(id)") == 403)
        }
    }

    @Test func aRevokedTokenOpensNothingAtOnce() async throws {
        try await APIHarness.run { api async throws in
            let created = try await Self.create(api, "admin")
            #expect(try await Self.status(api, created.secret, "GET", "/apps") == 200)
            #expect(try await api.request("DELETE", "/tokens/t").status == 204)
            #expect(try await Self.status(api, created.secret, "GET", "/apps") == 401)
            #expect(try await api.request("DELETE", "/tokens/\(created.token.id)").status == 404)
        }
    }

    @Test func anExpiredTokenSaysSoToWhoeverHasItsSecret() async throws {
        try await APIHarness.run { api async throws in
            let created = try await Self.create(api, "admin")
            // As it will be stored once its time has come.
            var record = try #require(try await api.service.tokenRecord(created.token.id))
            record.token.expiresAt = Timestamp.now.advanced(bySeconds: -1)
            _ = try await api.service.store.transaction([], [try .put(StoreKey.token(created.token.id), record)])
            let headers = ["Authorization": "Bearer \(created.secret)"]
            let answer = try await api.request("GET", "/apps", headers: headers, overTCP: true)
            #expect(answer.status == 401)
            #expect(try answer.decoded(Problem.self).detail.contains("expired at"))
            let guess = try await api.request(
                "GET", "/apps", headers: ["Authorization": "Bearer \(created.secret.dropLast(8))aaaaaaaa"],
                overTCP: true)
            #expect(try guess.decoded(Problem.self).type == "/problems/wrong-token")
        }
    }

    @Test func wrongTokensAreLimitedAndARightOneIsNot() async throws {
        try await APIHarness.run { api async throws in
            let right = try await Self.create(api, "read").secret
            let wrong = String(right.dropLast(3)) + "aaa"
            // The harness gives three free.
            for _ in 0..<3 { #expect(try await Self.status(api, wrong, "GET", "/apps") == 401) }
            let limited = try await api.request(
                "GET", "/apps", headers: ["Authorization": "Bearer nonsense"], overTCP: true)
            #expect(limited.status == 429)
            #expect(limited.headers["retry-after"].flatMap(Int.init).map { (1...6).contains($0) } == true)
            #expect(try await Self.status(api, right, "GET", "/apps") == 200)
            let events = try await api.request("GET", "/events").decoded([Event].self)
            #expect(events.count { $0.kind == .denied && $0.message.contains("127.0.0.1") } == 1)
        }
    }

    @Test func eventsTellWhoDidWhat() async throws {
        try await APIHarness.run { api async throws in
            let secret = try await Self.create(api, "deploy:hello", name: "ci").secret
            #expect(try await Self.status(api, secret, "POST", "/apps", Self.hello) == 201)
            #expect(try await Self.status(api, secret, "DELETE", "/apps/hello") == 403)
            _ = try await api.request("DELETE", "/tokens/ci")
            let events = try await api.request("GET", "/events").decoded([Event].self)
            let own = getuid() == 0 ? "root" : "user \(getuid())"
            #expect(events.map(\.kind) == [.token, .created, .denied, .token])
            #expect(events.map(\.by) == [own, "token ci", "token ci", own])
            #expect(events[2].message == "token ci (deploy:hello) was refused DELETE /apps/hello")
            #expect(!events.contains { $0.message.contains(secret) })
        }
    }

    @Test(arguments: [
        #"{"name": "x"}"#, #"{"scope": "read"}"#, #"{"name": "x", "scope": "write"}"#,
        #"{"name": "x", "scope": "deploy:"}"#, #"{"name": "x", "scope": "deploy:Not A Name"}"#,
        #"{"name": "", "scope": "read"}"#, #"{"name": "x y", "scope": "read"}"#,
        #"{"name": "x", "scope": "read", "expiresInSeconds": 0}"#,
        #"{"name": "x", "scope": "read", "expiresInSeconds": 315360001}"#,
        #"{"name": "x", "scope": "read", "expiresInSeconds": 1.5}"#, #"{"name": "x", "scope": "read", "more": 1}"#,
    ])
    func whatIsNoTokenRequestIsRefused(body: String) async throws {
        try await APIHarness.run { api async throws in
            #expect(try await api.request("POST", "/tokens", body).status == 422)
            #expect(try await api.request("GET", "/tokens").body == "[]\n")
        }
    }

    @Test func aNameIsGivenOnce() async throws {
        try await APIHarness.run { api async throws in
            _ = try await Self.create(api, "read")
            #expect(try await api.request("POST", "/tokens", #"{"name": "t", "scope": "read"}"#).status == 409)
        }
    }

    @Test func aSessionEndsWithItsToken() async throws {
        try await APIHarness.run { api async throws in
            let authenticator = TokenAuthenticator(
                admin: AdminToken(token: "x"), service: api.service, freeFailures: 1)
            let created = try await Self.create(api, "read")
            let principal = try await authenticator.principal(of: created.secret, from: nil)
            #expect(principal.scope == .read)
            #expect(try await authenticator.isCurrent(principal))
            _ = try await api.request("DELETE", "/tokens/t")
            #expect(try await !authenticator.isCurrent(principal))
        }
    }

    @Test func secretsDifferAndAreFoundByTheirID() {
        let (first, second) = (TokenSecret.random(), TokenSecret.random())
        #expect(first.text != second.text)
        #expect(TokenSecret.id(in: first.text) == first.id)
        #expect(TokenSecret.matches(first.text, digest: TokenSecret.digest(first.text)))
        #expect(!TokenSecret.matches(second.text, digest: TokenSecret.digest(first.text)))
        for text in ["", "paas_", "paas_x_y", "paas__", first.text + "_", "x" + first.text] {
            #expect(TokenSecret.id(in: text) == nil)
        }
    }

    @Test func addressesOfOneHostCountTogether() throws {
        func source(_ text: String) throws -> String {
            TokenAuthenticator.source(try SocketAddress(ipAddress: text, port: 1))
        }
        #expect(try source("127.0.0.1") == "127.0.0.1")
        #expect(try source("2001:db8:1:2:3::4") == "2001:db8:1:2::/64")
        #expect(try source("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64")
        #expect(try source("::1") == "::1")
    }
}
