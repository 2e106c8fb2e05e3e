// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import PaaSModel
import Testing

@testable import ControlPlane

struct APIAccessTests {
    @Test(arguments: [
        nil, "", "Bearer", "Bearer wrong", "Basic \(APIHarness.token)", "Bearer \(APIHarness.token)x",
        "Bearer \(APIHarness.token) x", APIHarness.token,
    ])
    func overTCPOnlyTheTokenOpens(header: String?) async throws {
        try await APIHarness.run { api async throws in
            let headers = header.map { ["Authorization": $0] } ?? [:]
            for path in ["/apps", "/nothing", "/agent/v1/nodes/n1/assignments"] {
                let answer = try await api.request("GET", path, headers: headers, overTCP: true)
                #expect(answer.status == 401)
                #expect(answer.headers["www-authenticate"]?.hasPrefix("Bearer") == true)
                #expect(try answer.decoded(Problem.self).detail.contains("admin.token"))
            }
        }
    }

    @Test func theTokenOpensTCP() async throws {
        try await APIHarness.run { api async throws in
            for scheme in ["Bearer", "bearer"] {
                let headers = ["Authorization": "\(scheme) \(APIHarness.token)"]
                #expect(try await api.request("GET", "/apps", headers: headers, overTCP: true).status == 200)
            }
        }
    }

    @Test func healthAndReadinessAreOpen() async throws {
        try await APIHarness.run { api async throws in
            #expect(try await api.request("GET", "/healthz", overTCP: true).body == "ok\n")
            #expect(try await api.request("GET", "/readyz", overTCP: true).body == "ready\n")
            #expect(try await api.request("GET", "/healthz/x", overTCP: true).status == 401)
        }
    }

    @Test func theUnixSocketKnowsItsPeer() async throws {
        try await APIHarness.run { api async throws in
            #expect(try await api.request("GET", "/apps").status == 200)
        }
    }

    @Test func withoutReadableCredentialsTheUnixSocketStaysClosedForHEADToo() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.path + "/paas.db")
        let service = ControlPlaneService(
            store: store, bundles: try BundleStore(directory: directory.path + "/bundles"))
        let agents = AgentClient()
        let api = ControlPlaneAPI(service: service, agents: agents)
        // The router alone has a channel without a socket below it.
        try await Application(responder: api.responder(.peerCredentials)).test(.router) { client in
            let response = try await client.execute(uri: "/apps", method: .get)
            #expect(response.status == .forbidden)
            // A body after the head would be taken for the next answer of the connection.
            let head = try await client.execute(uri: "/apps", method: .head)
            #expect(head.status == .forbidden)
            #expect(head.body.readableBytes == 0)
        }
        try await agents.shutdown()
    }

    @Test func theSocketIsForItsOwnerAlone() async throws {
        try await APIHarness.run { api async throws in
            let attributes = try FileManager.default.attributesOfItem(atPath: api.socket)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
    }

    @Test func aSecondListenerOnAnAnsweredSocketIsRefused() async throws {
        try await APIHarness.run { api async throws in
            let error = #expect(throws: StartupError.self) { try HomeDirectories.clearStaleSocket(api.socket) }
            #expect(error?.description.contains("answers") == true)
        }
    }

    @Test func aTakenPortNamesItsHolder() async throws {
        try await APIHarness.run { api async throws in
            let agents = AgentClient()
            let server = APIServer(
                .tcp(host: "127.0.0.1", port: api.port), api: ControlPlaneAPI(service: api.service, agents: agents),
                rule: .peerCredentials,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            let error = await #expect(throws: StartupError.self) { try await server.run() }
            try await agents.shutdown()
            #expect(error?.description.contains("127.0.0.1:\(api.port)") == true)
            #expect(error?.description.contains("--listen") == true)
            #expect(error?.description.contains("(pid \(getpid()))") == true)
        }
    }
}
