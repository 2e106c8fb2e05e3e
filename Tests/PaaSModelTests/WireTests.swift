// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@Suite struct WireTests {
    private let time = Timestamp(microseconds: 1_767_323_045_678_000)

    @Test func exitReportHasEveryKeyAlways() throws {
        #expect(
            try encoded(ExitReport(at: time))
                == #"{"at":"2026-01-02T03:04:05.678Z","code":null,"coreDumped":false,"cpuMs":0,"hang":null,"#
                + #""lastLines":[],"memoryLimitBytes":null,"memoryLimitReachedAt":null,"oomKilled":false,"#
                + #""peakMemoryBytes":null,"pidsPeak":null,"pressure":null,"reason":"","requested":false,"#
                + #""signal":null,"startFailure":null,"throttledMs":null,"uptimeMs":0}"#)
        let full = ExitReport(
            code: 3, signal: "SIGSEGV", coreDumped: true, oomKilled: true, startFailure: "exec: ENOENT",
            requested: true, at: time, uptimeMs: 1, cpuMs: 2, peakMemoryBytes: 3, memoryLimitBytes: 4,
            memoryLimitReachedAt: time, pidsPeak: 5, throttledMs: 6,
            pressure: ExitPressure(cpuSome: 1.5, memoryFull: 2),
            hang: HangReport(
                at: time, threads: [.init(tid: 7, name: "t", state: "S", waitsIn: "futex_wait", systemCall: 202)],
                threadCount: 1, sockets: [.init(state: "LISTEN", count: 1, waiting: 3)]),
            reason: "r", lastLines: ["a", "b"])
        #expect(try roundTrip(full) == full)
        #expect(try roundTrip(ExitReport(at: time)) == ExitReport(at: time))
    }

    @Test func appHasEveryKeyAlways() throws {
        let app = App(
            id: "a-1", name: try AppName(validating: "web"), command: .shell("x"), status: .pending, instances: 1,
            release: "v1", createdAt: time, updatedAt: time)
        let json = try encoded(app)
        let fields = Mirror(reflecting: app).children.compactMap(\.label)
        for field in fields { #expect(json.contains("\"\(field)\":"), "\(field) is missing") }
        for field in ["reason", "port", "pid", "startedAt", "lastExit", "rollout", "healthPath", "network"] {
            #expect(json.contains("\"\(field)\":null"))
        }
        #expect(try roundTrip(app) == app)
    }

    @Test func fullAppSurvivesTheWire() throws {
        var rollout = Rollout(id: 2, kind: .rollback, release: "v1", startedAt: time)
        rollout.phase = .failed
        rollout.message = "timed out"
        let app = App(
            id: "a-1", name: try AppName(validating: "web"), command: .exec(["x"]), status: .restarting, reason: "r",
            crashLooping: true, port: 20_000, pid: 7, restarts: 3, instances: 2, instancesReady: 1, release: "v2",
            limits: Limits(pids: 4), startedAt: time, lastExit: ExitReport(code: 1, at: time), rollout: rollout,
            desired: .stopped, healthPath: "/h", restart: .never, network: .host, sandbox: .off, urls: ["u"],
            createdAt: time, updatedAt: time)
        #expect(try roundTrip(app) == app)
    }

    @Test func unknownEventKindIsReadAsUnknown() throws {
        let json = #"{"id":1,"time":"2026-01-02T03:04:05Z","kind":"teleported","message":"m"}"#
        #expect(try decoded(Event.self, json).kind == .unknown)
        for kind in Event.Kind.allCases { #expect(try roundTrip(kind) == kind) }
        #expect(try encoded(Event.Kind.deployFailed) == #""deploy-failed""#)
    }

    @Test func timesAreTextOnTheWireAndOthersAreRefused() throws {
        #expect(try encoded(time) == #""2026-01-02T03:04:05.678Z""#)
        #expect(try roundTrip(time) == time)
        for json in ["1", #""yesterday""#, "null"] {
            #expect(throws: DecodingError.self) { try decoded(Timestamp.self, json) }
        }
    }

    @Test func logLineNamesItsFieldsAsTheContractDoes() throws {
        let line = LogLine(time: time, stream: .stderr, instance: "web.1", release: "v1", text: "t")
        #expect(
            try encoded(line)
                == #"{"instance":"web.1","release":"v1","stream":"stderr","text":"t","time":"2026-01-02T03:04:05.678Z"}"#
        )
        var cut = line
        cut.partial = true
        #expect(try roundTrip(cut) == cut)
    }

    @Test func everyAssignmentMessageSurvivesTheWireAndTellsItsRevision() throws {
        let assignment = Assignment(
            instanceID: "i-1", appID: "a-1", app: try AppName(validating: "web"), slot: "web.1", release: "v1",
            spec: ReleaseSpec(command: .shell("x")), desired: .running)
        let messages: [AssignmentMessage] = [
            .snapshot(revision: 1, appIDs: ["a-1"], assignments: [assignment]),
            .put(revision: 2, assignment: assignment),
            .delete(revision: 3, instanceID: "i-1"), .appDeleted(revision: 4, appID: "a-1"),
        ]
        #expect(messages.map(\.revision) == [1, 2, 3, 4])
        #expect(try messages.map(roundTrip) == messages)
    }

    @Test func reportsNodesInstancesReleasesAndProblemsSurviveTheWire() throws {
        var status = InstanceStatus(instanceID: "i-1", since: time)
        status.lastExit = ExitReport(signal: "SIGKILL", at: time)
        let event = Event(time: time, kind: .exited, app: "web", instance: "web.1", release: "v1", message: "m")
        let batch = ReportBatch(reports: [AgentReport(sequence: 9, status: status, events: [event])])
        #expect(try roundTrip(batch) == batch)
        #expect(try roundTrip(ReportAcknowledgement(acknowledged: 9)).acknowledged == 9)

        let node = Node(
            name: "n", connected: true, agentAddress: "unix:/x", routerAddress: "127.0.0.1:8080", version: "1",
            capabilities: NodeCapabilities(
                cgroupMode: "hybrid", cgroupRoot: "/x", controllers: [], kernel: "6.1", networks: [.host],
                layers: [SandboxLayer(name: "seccomp", enforced: false, detail: "d")]))
        #expect(try roundTrip(node) == node)

        let instance = Instance(
            id: "i-1", name: "web.1", release: "v1", node: "n", desired: .running, status: status)
        #expect(try roundTrip(instance) == instance)

        let release = Release(
            name: "v1", status: .superseded, command: .shell("x"), limits: Limits(), bundle: nil, reason: nil,
            createdAt: time)
        #expect(try roundTrip(release) == release)

        let problem = Problem(type: "/problems/x", title: "t", status: 422, detail: "d", field: "name")
        #expect(try roundTrip(problem) == problem)
        #expect(problem.description == "d")
    }

    @Test func statusesAreTheContractsWords() {
        #expect(AppStatus.allCases.map(\.rawValue) == ["pending", "running", "restarting", "failed", "stopped"])
        #expect(RestartPolicy.allCases.map(\.rawValue) == ["always", "on-failure", "never"])
        #expect(NetworkMode.allCases.map(\.rawValue) == ["isolated", "egress", "host"])
        #expect(SandboxProfile.allCases.map(\.rawValue) == ["standard", "strict", "off"])
        #expect(LogLine.Stream.allCases.map(\.rawValue) == ["stdout", "stderr", "system", "access"])
    }

    @Test func validationErrorShowsFieldAndMessage() {
        #expect(ValidationError(field: "limits.cpu", message: "is odd").description == "limits.cpu: is odd")
    }
}

@Suite struct PaaSHomeTests {
    @Test func explicitHomeHoldsEverything() {
        let home = PaaSHome(root: "/srv/paas")
        #expect(home.database == "/srv/paas/paasd/paas.db")
        #expect(home.bundles == "/srv/paas/paasd/bundles")
        #expect(home.agent == "/srv/paas/agent")
        #expect(home.apiSocket == "/srv/paas/run/paasd.sock")
        #expect(home.agentSocket == "/srv/paas/run/agent.sock")
        #expect(home.adminToken == "/srv/paas/admin.token")
        #expect(PaaSHome(environment: ["PAAS_HOME": "/srv/paas", "HOME": "/root"], userID: 0) == home)
    }

    @Test func rootHasTheSystemsDirectories() {
        for environment in [[:], ["PAAS_HOME": ""], ["HOME": "/root", "XDG_STATE_HOME": "/x"]] {
            let home = PaaSHome(environment: environment, userID: 0)
            #expect(home.root == "/var/lib/mini-paas")
            #expect(home.apiSocket == "/run/mini-paas/paasd.sock")
        }
    }

    @Test func othersHaveXDGDirectories() {
        let home = PaaSHome(environment: ["HOME": "/home/u"], userID: 1000)
        #expect(home.root == "/home/u/.local/state/mini-paas")
        #expect(home.runDirectory == "/home/u/.local/state/mini-paas/run")
        let xdg = PaaSHome(
            environment: ["HOME": "/home/u", "XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/run/user/1000"], userID: 1000)
        #expect(xdg.root == "/s/mini-paas")
        #expect(xdg.runDirectory == "/run/user/1000/mini-paas")
    }

    @Test func emptyXDGVariablesCountAsUnset() {
        // XDG Base Directory Specification: "If $XDG_STATE_HOME is either not set or empty, a default … should be used."
        let home = PaaSHome(
            environment: ["HOME": "/home/u", "XDG_STATE_HOME": "", "XDG_RUNTIME_DIR": ""], userID: 1000)
        #expect(home == PaaSHome(environment: ["HOME": "/home/u"], userID: 1000))
    }
}
