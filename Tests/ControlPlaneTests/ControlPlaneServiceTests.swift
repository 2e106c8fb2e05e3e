// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import ControlPlane

struct ControlPlaneServiceTests {
    private let directory: TemporaryDirectory
    private let store: SQLiteStore
    private let service: ControlPlaneService

    init() throws {
        directory = try TemporaryDirectory()
        store = try SQLiteStore(path: directory.path + "/paas.db")
        service = ControlPlaneService(store: store, bundles: try BundleStore(directory: directory.path + "/bundles"))
    }

    private func create(_ json: String, key: String? = nil) async throws -> App {
        try await service.create(
            body: Array(json.utf8), once: key.map { OnceOnly(key: $0, principal: "", path: "", body: Array(json.utf8)) }
        ).app
    }

    private func patch(_ name: String, _ json: String, redeploy: Bool = false) async throws -> App {
        try await service.patch(name, body: Array(json.utf8), redeploy: redeploy, ifMatch: nil).app
    }

    private func register() async throws {
        _ = try await service.register(.sample, as: "n1")
    }

    /// Reports a state for every instance that is assigned, as an agent would.
    private func reportAll(_ app: String, _ state: InstanceState, sequence: Int64) async throws {
        let reports = try await service.snapshot(app).state.assigned.enumerated().map { index, instance in
            var status = instance.status
            status.state = state
            return AgentReport(sequence: sequence + Int64(index), status: status, events: [])
        }
        _ = try await service.report(ReportBatch(reports: reports), from: "n1")
    }

    @Test func anAppBecomesRunningWhenItsAgentSaysSo() async throws {
        try await register()
        let created = try await create(#"{"name": "hello", "command": "./server"}"#)
        #expect(created.status == .pending)
        #expect(created.rollout?.phase == .progressing)
        try await reportAll("hello", .running, sequence: 1)
        let app = try await service.app("hello").app
        #expect(app.status == .running)
        #expect(app.rollout?.phase == .succeeded)
        #expect(app.release == "v1")
        #expect(try await service.app(created.id).app == app)
    }

    @Test func anAppThatWasThereBeforeAnyNodeIsPlacedWhenOneRegisters() async throws {
        _ = try await create(#"{"name": "hello", "command": "./server"}"#)
        #expect(try await service.instances("hello").instances.isEmpty)
        try await register()
        #expect(try await service.instances("hello").instances.map(\.node) == ["n1"])
    }

    @Test func aTakenNameIsAConflictAndFreeAfterDestroy() async throws {
        let first = try await create(#"{"name": "hello", "command": "./server"}"#)
        let error = await #expect(throws: Problem.self) { try await create(#"{"name": "hello", "command": "x"}"#) }
        #expect(error?.status == 409)
        try await service.destroy("hello", ifMatch: nil, wait: nil)
        let second = try await create(#"{"name": "hello", "command": "x"}"#)
        #expect(second.id != first.id)
    }

    @Test func manyCreatesOfOneNameMakeOneApp() async throws {
        let made = await withTaskGroup(of: Bool.self) { [service] group in
            for _ in 0..<10 {
                group.addTask {
                    let body = Array(#"{"name": "hello", "command": "x"}"#.utf8)
                    return (try? await service.create(body: body)) != nil
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(made == 1)
        #expect(try await service.apps().count == 1)
    }

    @Test func anIdempotencyKeyAnswersWithTheSameApp() async throws {
        let json = #"{"name": "hello", "command": "./server"}"#
        let first = try await create(json, key: "k1")
        #expect(try await create(json, key: "k1").id == first.id)
        let reused = await #expect(throws: Problem.self) {
            try await create(#"{"name": "other", "command": "x"}"#, key: "k1")
        }
        #expect(reused?.status == 409)
        try await service.destroy("hello", ifMatch: nil, wait: nil)
        let gone = await #expect(throws: Problem.self) { try await create(json, key: "k1") }
        #expect(gone?.status == 409)
    }

    @Test func aPatchMakesAReleaseOnlyWhenTheSpecChanges() async throws {
        try await register()
        _ = try await create(#"{"name": "hello", "command": "./server", "env": {"A": "1"}}"#)
        try await reportAll("hello", .running, sequence: 1)
        func releases() async throws -> [String] { try await service.releases("hello").releases.map(\.name) }
        _ = try await patch("hello", #"{"env": {"A": "1"}}"#)
        #expect(try await releases() == ["v1"])
        let scaled = try await patch("hello", #"{"instances": 2}"#)
        #expect(scaled.rollout?.kind == .scale)
        #expect(try await releases() == ["v1"])
        _ = try await patch("hello", #"{"env": {"A": "2"}}"#)
        #expect(try await releases() == ["v2", "v1"])
        _ = try await patch("hello", "{}", redeploy: true)
        #expect(try await releases() == ["v3", "v2", "v1"])
        await #expect(throws: ValidationError.self) { try await patch("hello", #"{"name": "other"}"#) }
    }

    @Test func aStaleRevisionIsRefused() async throws {
        let made = try await service.create(
            body: Array(#"{"name": "hello", "command": "x"}"#.utf8))
        let stopped = try await service.stop("hello", ifMatch: made.revision)
        #expect(stopped.revision > made.revision)
        let error = await #expect(throws: Problem.self) { try await service.start("hello", ifMatch: made.revision) }
        #expect(error?.status == 412)
        _ = try await service.start("hello", ifMatch: stopped.revision)
    }

    @Test func aBundleMustHaveBeenUploaded() async throws {
        let digest = String(repeating: "a", count: 64)
        let error = await #expect(throws: Problem.self) {
            try await create(#"{"name": "hello", "command": "x", "bundle": "\#(digest)"}"#)
        }
        #expect(error?.status == 409)
        #expect(error?.field == "bundle")
    }

    @Test func aRepeatedOrOlderReportChangesNothing() async throws {
        try await register()
        _ = try await create(#"{"name": "hello", "command": "x"}"#)
        let instance = try #require(try await service.instances("hello").instances.first)
        func report(_ state: InstanceState, _ sequence: Int64) async throws -> Int64 {
            var status = instance.status
            status.state = state
            let event = Event(time: .epoch, kind: .ready, message: "\(state)")
            let report = AgentReport(sequence: sequence, status: status, events: [event])
            return try await service.report(ReportBatch(reports: [report]), from: "n1").acknowledged
        }
        #expect(try await report(.running, 5) == 5)
        #expect(try await report(.failed, 5) == 5)
        #expect(try await report(.failed, 4) == 4)
        #expect(try await service.app("hello").app.status == .running)
        let events = try await service.events(EventQuery(appID: nil, since: nil, limit: 100)).events
        #expect(events.filter { $0.message == "running" || $0.message == "failed" }.count == 1)
    }

    @Test func reportsOfAnotherNodeOrAStrangeInstanceAreIgnored() async throws {
        try await register()
        var other = Node.sample
        other.name = "n2"
        _ = try await service.register(other, as: "n2")
        _ = try await create(#"{"name": "hello", "command": "x"}"#)
        var status = try #require(try await service.instances("hello").instances.first).status
        status.state = .running
        var strange = status
        strange.instanceID = "i-nobody"
        let reports = [
            AgentReport(sequence: 1, status: status, events: []), AgentReport(sequence: 2, status: strange, events: []),
        ]
        #expect(try await service.report(ReportBatch(reports: reports), from: "n2").acknowledged == 2)
        #expect(try await service.app("hello").app.status == .pending)
    }

    @Test func theLastExitOutlivesTheInstance() async throws {
        try await register()
        _ = try await create(#"{"name": "hello", "command": "x"}"#)
        var status = try #require(try await service.instances("hello").instances.first).status
        status.state = .running
        status.lastExit = ExitReport(signal: "SIGSEGV", at: .epoch, reason: "killed by SIGSEGV")
        let report = AgentReport(sequence: 1, status: status, events: [])
        _ = try await service.report(ReportBatch(reports: [report]), from: "n1")
        _ = try await service.restart("hello", ifMatch: nil)
        try await reportAll("hello", .running, sequence: 10)
        #expect(try await service.app("hello").app.lastExit?.signal == "SIGSEGV")
    }

    @Test func destroyWaitsUntilTheAgentHasRemovedEverything() async throws {
        try await register()
        let app = try await create(#"{"name": "hello", "command": "x"}"#)
        let instance = try #require(try await service.instances("hello").instances.first)
        let destroyed = Task { [service] in
            try await service.destroy("hello", ifMatch: nil, wait: .seconds(60))
        }
        // The assignment's end is what the agent waits for.
        for try await changes in store.watch([StoreKey.assignments("n1")], after: 0)
        where changes.contains(where: { $0.value == nil }) { break }
        var status = instance.status
        status.state = .removed
        let report = AgentReport(sequence: 1, status: status, events: [])
        _ = try await service.report(ReportBatch(reports: [report]), from: "n1")
        try await destroyed.value
        #expect(try await store.read([KeyRange(prefix: StoreKey.instances(app.id))]).ranges[0].isEmpty)
        #expect(try await store.get(StoreKey.owner(instance.id)) == nil)
    }

    @Test func destroySaysWhenTheRemovalIsNotConfirmedInTime() async throws {
        try await register()
        _ = try await create(#"{"name": "hello", "command": "x"}"#)
        let error = await #expect(throws: Problem.self) {
            try await service.destroy("hello", ifMatch: nil, wait: .zero)
        }
        #expect(error?.status == 504)
        await #expect(throws: Problem.self) { try await service.app("hello") }
    }

    @Test func theDeadlineOfARolloutFailsItWithoutAnyRequest() async throws {
        let hasty = ControlPlaneService(store: store, bundles: service.bundles, deployTimeout: .milliseconds(1))
        _ = try await hasty.create(body: Array(#"{"name": "hello", "command": "x"}"#.utf8))
        for try await changes in store.watch([StoreKey.events], after: 0) {
            let failed = try changes.contains { change in
                let record = try RecordCoding.decode(EventRecord.self, key: change.key, change.value ?? [])
                return record.event.kind == .deployFailed
            }
            if failed { break }
        }
        #expect(try await hasty.app("hello").app.rollout?.phase == .failed)
    }

    @Test func aNewProcessArmsTheDeadlinesAgain() async throws {
        _ = try await create(#"{"name": "hello", "command": "x"}"#)
        let next = ControlPlaneService(store: store, bundles: service.bundles, deployTimeout: .milliseconds(1))
        try await next.start()
        for try await changes in store.watch([StoreKey.apps], after: try await store.revision() - 1) {
            let app = try RecordCoding.decode(AppRecord.self, key: "", changes.last?.value ?? [])
            if app.rollout.phase == .failed { break }
        }
    }

    @Test func eventsAreNumberedBoundedAndFiltered() async throws {
        let first = try await create(#"{"name": "one", "command": "x"}"#)
        _ = try await create(#"{"name": "two", "command": "x"}"#)
        _ = try await service.stop("one", ifMatch: nil)
        let all = try await service.events(EventQuery(limit: 100)).events
        #expect(all.map(\.id) == Array(1...Int64(all.count)))
        let mine = try await service.events(EventQuery(appID: first.id, limit: 100)).events
        #expect(mine.allSatisfy { $0.app == "one" })
        #expect(mine.first?.kind == .created)
        #expect(try await service.events(EventQuery(since: 1, limit: 1)).events.map(\.id) == [2])
        #expect(try await service.events(EventQuery(limit: 1)).events.map(\.id) == [all.last?.id])
        #expect(try await service.events(EventQuery(limit: 0)).events.isEmpty)
    }

    @Test func noEventEverShowsAValueOfTheEnvironment() async throws {
        try await register()
        _ = try await create(#"{"name": "hello", "command": "x", "env": {"SECRET": "hunter2"}}"#)
        try await reportAll("hello", .failed, sequence: 1)
        _ = try await patch("hello", #"{"env": {"SECRET": "hunter3"}}"#)
        for entry in try await store.read([KeyRange(prefix: StoreKey.events)]).ranges[0] {
            #expect(!String(decoding: entry.value, as: UTF8.self).contains("hunter"))
        }
        let view = try RecordCoding.encode(try await service.app("hello").app)
        #expect(!String(decoding: view, as: UTF8.self).contains("hunter"))
    }

    @Test func anAgentGetsASnapshotThenChangesAndResumes() async throws {
        try await register()
        let app = try await create(#"{"name": "hello", "command": "x"}"#)
        let (messages, emit) = AsyncStream<AssignmentMessage>.makeStream()
        let stream = Task { [service] in
            try await service.followAssignments(node: "n1", after: nil) { for message in $0 { emit.yield(message) } }
        }
        var received = messages.makeAsyncIterator()
        guard case .snapshot(_, let ids, let assignments)? = await received.next() else {
            Issue.record("the first message is a snapshot")
            return
        }
        #expect(ids == [app.id])
        #expect(assignments.map(\.slot) == ["web.1"])
        #expect(try await service.allNodes().map(\.connected) == [true])
        _ = try await service.stop("hello", ifMatch: nil)
        guard case .put(let revision, let assignment)? = await received.next() else {
            Issue.record("a put follows")
            return
        }
        #expect(assignment.desired == .stopped)
        stream.cancel()
        _ = await stream.result
        #expect(try await service.allNodes().map(\.connected) == [false])

        try await service.destroy("hello", ifMatch: nil, wait: nil)
        let (rest, emitRest) = AsyncStream<AssignmentMessage>.makeStream()
        let resumed = Task { [service] in
            try await service.followAssignments(node: "n1", after: revision) {
                for message in $0 { emitRest.yield(message) }
            }
        }
        var following = rest.makeAsyncIterator()
        var kinds: [String] = []
        while kinds.count < 2, let message = await following.next() {
            switch message {
            case .appDeleted(_, let id): kinds.append("app \(id == app.id)")
            case .delete(_, let id): kinds.append("instance \(id == assignment.instanceID)")
            default: kinds.append("unexpected \(message)")
            }
        }
        #expect(kinds.sorted() == ["app true", "instance true"])
        resumed.cancel()
        _ = await resumed.result
    }

    /// Such an instance was in no snapshot, so its removal was never confirmed, and `paas destroy` waited in vain.
    @Test func anInstanceThatCameAndWentWhileItsAgentWasAwayIsDeletedBeforeTheSnapshot() async throws {
        try await register()
        _ = try await create(#"{"name": "hello", "command": "x"}"#)
        let instance = try #require(try await service.instances("hello").instances.first)
        try await service.destroy("hello", ifMatch: nil, wait: nil)
        let (messages, emit) = AsyncStream<AssignmentMessage>.makeStream()
        let stream = Task { [service] in
            try await service.followAssignments(node: "n1", after: nil) { for message in $0 { emit.yield(message) } }
        }
        var received = messages.makeAsyncIterator()
        #expect(await received.next() == .delete(revision: 0, instanceID: instance.id))
        guard case .snapshot(_, [], [])? = await received.next() else {
            Issue.record("the snapshot follows")
            return
        }
        stream.cancel()
        _ = await stream.result

        var status = instance.status
        status.state = .removed
        _ = try await service.report(
            ReportBatch(reports: [AgentReport(sequence: 1, status: status, events: [])]), from: "n1")
        #expect(try await store.read([KeyRange(prefix: StoreKey.instances)]).ranges[0].isEmpty)
    }

    @Test func aRevisionThatIsTooOldGetsASnapshot() async throws {
        let small = try SQLiteStore(path: directory.path + "/small.db", history: 10)
        let service = ControlPlaneService(store: small, bundles: service.bundles)
        _ = try await service.register(.sample, as: "n1")
        _ = try await service.create(body: Array(#"{"name": "hello", "command": "x"}"#.utf8))
        for _ in 0..<20 {
            _ = try await service.stop("hello", ifMatch: nil)
            _ = try await service.start("hello", ifMatch: nil)
        }
        let (messages, emit) = AsyncStream<AssignmentMessage>.makeStream()
        let stream = Task {
            try await service.followAssignments(node: "n1", after: 1) { for message in $0 { emit.yield(message) } }
        }
        var received = messages.makeAsyncIterator()
        var first = await received.next()
        // Deletions of the instances that nobody has confirmed as removed come before it.
        while case .delete(0, _)? = first { first = await received.next() }
        guard case .snapshot? = first else {
            Issue.record("a snapshot is expected")
            return
        }
        stream.cancel()
        _ = await stream.result
    }
}

extension Node {
    static let sample = Node(
        name: "n1", connected: false, agentAddress: "unix:/nonexistent/agent.sock", routerAddress: "127.0.0.1:8080",
        version: "0.1.0",
        capabilities: NodeCapabilities(
            cgroupMode: "unified", cgroupRoot: "/", controllers: [], kernel: "6.1", networks: [.host], layers: []))
}
