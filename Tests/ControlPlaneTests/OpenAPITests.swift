// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTypes
import PaaSModel
import Testing

@testable import ControlPlane

struct OpenAPITests {
    @Test func everyRouteIsInTheDocumentAndNothingElse() async throws {
        try await APIHarness.run { api async throws in
            let document = try await api.request("GET", "/openapi.json", overTCP: true).decoded(JSONValue.self)
            guard case .object(let root) = document, case .object(let paths)? = root["paths"] else {
                Issue.record("the document has paths")
                return
            }
            #expect(root["openapi"] == "3.1.0")
            var described: Set<String> = []
            for (path, item) in paths {
                guard case .object(let methods) = item else { continue }
                for method in methods.keys where method != "parameters" {
                    described.insert("\(method.uppercased()) \(path)")
                }
            }
            func line(_ method: HTTPRequest.Method, _ path: String) -> String {
                let path = path.split(separator: "/", omittingEmptySubsequences: false)
                    .map { $0.hasPrefix(":") ? "{\($0.dropFirst())}" : String($0) }.joined(separator: "/")
                return "\(method) \(path)"
            }
            let promised = OperationTable.all.map { line($0.method, $0.path) }
            #expect(described == Set(promised))
            let agents = AgentClient()
            let routes = ControlPlaneAPI(service: api.service, agents: agents).describedRoutes().routes
            try await agents.shutdown()
            // What HEAD answers follows from GET.
            let served = routes.filter { $0.method != .head }.map { line($0.method, $0.path) }
            #expect(described == Set(served))
            #expect(promised.count == Set(promised).count)
            #expect(Set(OperationTable.all.map(\.id)).count == promised.count)
        }
    }

    @Test func everyReferenceLeadsToASchema() throws {
        let text = String(decoding: try JSONEncoder().encode(OpenAPIDocument.make(Self.routes)), as: UTF8.self)
        let found = text.matches(of: /#\\?\/components\\?\/schemas\\?\/([A-Za-z]+)/).map { String($0.1) }
        #expect(!found.isEmpty)
        #expect(Set(found).subtracting(Schemas.all.keys) == [])
    }

    @Test func whatIsOpenToEverybodyNeedsNoToken() {
        let document = OpenAPIDocument.make(Self.routes)
        guard case .object(let root) = document, case .object(let paths)? = root["paths"],
            case .object(let health)? = paths["/healthz"], case .object(let get)? = health["get"],
            case .object(let apps)? = paths["/apps"], case .object(let list)? = apps["get"]
        else {
            Issue.record("both are there")
            return
        }
        #expect(get["security"] == [])
        #expect(list["security"] == nil)
    }

    private static let routes = [
        APIBuilder.Route(method: .get, path: "/healthz", access: .everybody) { _, _ in throw Problem.internalError },
        APIBuilder.Route(method: .get, path: "/apps", access: .known) { _, _ in throw Problem.internalError },
    ]
}
