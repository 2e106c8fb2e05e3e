// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import ControlPlane

struct APIEnvironmentTests {
    private static let app =
        #"{"name": "hello", "command": "x", "env": {"MODE": "test"}, "secrets": {"KEY": "hunter2"}}"#

    @Test func variablesAreReadAndChanged() async throws {
        try await APIHarness.run { api async throws in
            _ = try await api.request("POST", "/apps", Self.app)
            #expect(try await api.request("GET", "/apps/hello/env").decoded([String: String].self) == ["MODE": "test"])
            let patched = try await api.request("PATCH", "/apps/hello", #"{"env": {"MODE": null, "B": "2"}}"#)
            #expect(try patched.decoded(App.self).rollout?.release == "v2")
            #expect(try await api.request("GET", "/apps/hello/env").decoded([String: String].self) == ["B": "2"])
            #expect(try await api.request("GET", "/apps/nobody/env").status == 404)
        }
    }

    @Test func noAnswerHoldsTheValueOfASecret() async throws {
        try await APIHarness.run { api async throws in
            try await api.register()
            var bodies = [try await api.request("POST", "/apps", Self.app).body]
            let secrets = try await api.request("GET", "/apps/hello/secrets")
            #expect(try secrets.decoded([Secret].self) == [Secret(name: "KEY")])
            bodies.append(try await api.request("PATCH", "/apps/hello", #"{"secrets": {"OTHER": "hunter2too"}}"#).body)
            // Taken by a variable, of the wrong type, and too large: refused without being quoted.
            for patch in [
                #"{"secrets": {"MODE": "hunter2"}}"#, #"{"secrets": {"KEY": ["hunter2"]}}"#,
                #"{"secrets": {"KEY": "hunter2"#, #"{"secrets": {"1": "hunter2"}}"#,
            ] {
                let answer = try await api.request("PATCH", "/apps/hello", patch)
                #expect([400, 422].contains(answer.status))
                bodies.append(answer.body)
            }
            for path in ["", "/releases", "/instances", "/events", "/env", "/secrets", "/inspection"] {
                bodies.append(try await api.request("GET", "/apps/hello\(path)").body)
            }
            for body in bodies { #expect(!body.contains("hunter2"), "\(body)") }
        }
    }
}

struct APISessionTests {
    @Test func whatIsNoSessionIsRefused() async throws {
        try await APIHarness.run { api async throws in
            try await api.register()
            _ = try await api.request("POST", "/apps", #"{"name": "hello", "command": "x"}"#)
            #expect(try await api.request("POST", "/apps/hello/exec", "{}").status == 415)
            let headers = ["Content-Type": SessionRequest.mediaType]
            func status(_ app: String, _ verb: String, _ body: String) async throws -> UInt {
                try await api.request("POST", "/apps/\(app)/\(verb)", body, headers: headers).status
            }
            #expect(try await status("nobody", "exec", "") == 404)
            #expect(try await status("hello", "exec", "") == 400)
            #expect(try await status("hello", "run", "\u{2}\0\0\0\0") == 400)
            let open = #"{"command": []}"#
            #expect(try await status("hello", "run", "\u{1}\0\0\0\u{F}\(open)") == 422)
            let fine = #"{"command": ["ls"]}"#
            // No instance runs, and nothing of it is on record.
            #expect(try await status("hello", "exec", "\u{1}\0\0\0\u{13}\(fine)") == 409)
            let events = try await api.request("GET", "/apps/hello/events").decoded([Event].self)
            #expect(!events.contains { $0.kind == .exec || $0.kind == .run })
        }
    }
}
