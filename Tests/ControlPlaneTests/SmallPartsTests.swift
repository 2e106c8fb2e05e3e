// SPDX-License-Identifier: Apache-2.0

import NIOCore
import PaaSModel
import Testing

@testable import ControlPlane

struct SmallPartsTests {
    @Test func datesAreThoseOfHTTP() {
        #expect(HTTPDate.text(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
    }

    @Test func agentAddressesBecomeURLs() {
        #expect(
            AgentAddress("unix:/run/mini paas/agent.sock")?.url("/v1/x?y=1")
                == "http+unix://%2Frun%2Fmini%20paas%2Fagent.sock/v1/x?y=1")
        #expect(AgentAddress("http://10.0.0.2:7071")?.url("/v1") == "http://10.0.0.2:7071/v1")
    }

    @Test(arguments: ["", "unix:relative", "https://x", "http://", "http://a/b", "http://u@h", "file:///etc/passwd"])
    func everythingElseIsNoAgentAddress(text: String) {
        #expect(AgentAddress(text) == nil)
    }

    @Test func aRouteKnowsItsMethods() {
        var index = RouteIndex()
        index.add("/apps", "GET")
        index.add("/apps/:name", "GET")
        index.add("/apps/:name", "DELETE")
        #expect(index.methods(for: "/apps/x") == ["DELETE", "GET", "HEAD"])
        #expect(index.methods(for: "/apps/x/y").isEmpty)
    }

    @Test func aViewIsKeptWhileItsBasisStaysAndForgottenWithItsApp() throws {
        let cache = AppDocumentCache()
        let app = App(
            id: "a-1", name: try AppName(validating: "web"), command: .shell("x"), status: .running, instances: 1,
            release: "v1", createdAt: .epoch, updatedAt: .epoch)
        var made = 0
        func status(_ revisions: [Int64], _ connected: [String], _ status: AppStatus) throws -> AppStatus? {
            let basis = AppDocument.Basis(revisions: revisions, nodes: .init(revisions: [1], connected: connected))
            let document = try cache.document(ofApp: "a-1", basis: basis) {
                made += 1
                var app = app
                app.status = status
                return app
            }
            let json = try #require(document.map { String(buffer: $0.json) })
            #expect(json.contains("\"status\":\"\(document?.app.status.rawValue ?? "")\""))
            return document?.app.status
        }
        #expect(try status([5, 4], ["n1"], .running) == .running)
        #expect(try status([5, 4], ["n1"], .failed) == .running)
        #expect(try status([5, 6], ["n1"], .pending) == .pending)
        #expect(try status([5, 6], [], .failed) == .failed)
        #expect(made == 3)
        #expect(cache.list(revision: 6, connected: []) == nil)
        cache.keep([], revision: 6, connected: ["n1"])
        #expect(cache.list(revision: 6, connected: ["n1"])?.isEmpty == true)
        #expect(cache.list(revision: 7, connected: ["n1"]) == nil)
        #expect(cache.list(revision: 6, connected: []) == nil)
        cache.forget(allBut: ["a-1"])
        #expect(try status([5, 6], [], .running) == .failed)
        cache.forget(allBut: [])
        #expect(try status([5, 6], [], .running) == .running)
    }

    @Test func releaseNamesAreReadStrictly() {
        #expect(ReleaseRecord.number("v12") == 12)
        for text in ["", "v", "v0", "v-1", "v01", "12", "v1 ", "V1"] { #expect(ReleaseRecord.number(text) == nil) }
    }

    @Test func randomIDsHaveTheAgreedForm() {
        let id = RandomID.instance()
        #expect(id.hasPrefix("i-"))
        #expect(id.utf8.count == 22)
        #expect(id.dropFirst(2).allSatisfy { ("a"..."z").contains($0) || ("2"..."7").contains($0) })
        #expect(RandomID.app() != RandomID.app())
    }

    @Test func onlyTheLastMessageOfARevisionCarriesIt() throws {
        let changes = [
            StoreChange(key: "/apps/a-1", value: [1], revision: 5),
            StoreChange(key: "/apps/a-2", value: nil, revision: 6),
            StoreChange(key: "/assignments/n/i-1", value: nil, revision: 6),
            StoreChange(key: "/assignments/n/i-2", value: nil, revision: 7),
        ]
        let messages = try ControlPlaneService.messages(changes, prefix: "/assignments/n/")
        #expect(
            messages == [
                .appDeleted(revision: 5, appID: "a-2"), .delete(revision: 6, instanceID: "i-1"),
                .delete(revision: 7, instanceID: "i-2"),
            ])
    }

    @Test func commandsPassTheGateOneAtATimeInTheirOrder() async {
        let gate = CommandGate()
        let log = Log()
        await withDiscardingTaskGroup { group in
            for number in 0..<50 {
                group.addTask {
                    await gate.run {
                        await log.add("in \(number)")
                        await Task.yield()
                        await log.add("out \(number)")
                    }
                }
            }
        }
        let lines = await log.lines
        for index in stride(from: 0, to: lines.count, by: 2) {
            #expect(lines[index].dropFirst(3) == lines[index + 1].dropFirst(4))
        }
    }

    private actor Log {
        var lines: [String] = []
        func add(_ line: String) { lines.append(line) }
    }
}
