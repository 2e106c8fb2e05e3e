// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import LinuxSystem
import PaaSModel
import Testing

@testable import Supervision

@Suite(.enabled(if: SupervisorHarness.missing == nil, "needs root, cgroup v2 and paas-init"), .serialized)
struct SupervisorIntegrationTests {
    static let server =
        "exec python3 -c 'import os,socket,time\ns=socket.create_server((\"127.0.0.1\",int(os.environ[\"PORT\"])))\nprint(\"up\",flush=True)\nwhile True: s.accept()[0].close()'"

    private func assignment(
        _ command: String, restart: RestartPolicy = .always, desired: DesiredState = .running, grace: Double = 5
    ) throws -> Assignment {
        try SupervisorHarness.assignment(command, restart: restart, desired: desired, grace: grace)
    }

    private func put(_ assignment: Assignment) -> AssignmentMessage { .put(revision: 1, assignment: assignment) }

    private func withAgent(_ body: (SupervisorHarness, Agent) async throws -> Agent?) async throws {
        // Ordinary starts only, whenever they come.
        try await SupervisorHarness.withAgent(standbys: 0, body)
    }

    @Test func serverBecomesReadyOnItsPortAndGetsARoute() async throws {
        try await withAgent { harness, agent in
            await agent.supervisor.apply(put(try assignment(Self.server)))
            let status = await agent.status(of: "i-test") { $0.state == .running }
            let port = try #require(status.port)
            #expect(agent.routes.route(of: try AppName(validating: "demo"))?.endpoints.map { Int($0.port) } == [port])
            let pid = try #require(status.pid)
            #expect(ProcFS.name(of: pid) == "python3")
            #expect(harness.runCgroups.count == 1)
            return nil
        }
    }

    @Test(arguments: [(SIGKILL, "SIGKILL"), (SIGSEGV, "SIGSEGV")])
    func killedAppIsRestartedAndTheSignalReported(_ signal: Int32, name: String) async throws {
        try await withAgent { _, agent in
            await agent.supervisor.apply(put(try assignment(Self.server)))
            let first = await agent.status(of: "i-test") { $0.state == .running }
            kill(try #require(first.pid), signal)
            let second = await agent.status(of: "i-test") { $0.state == .running && $0.restarts == 1 }
            #expect(second.lastExit?.signal == name)
            #expect(second.lastExit?.code == nil)
            #expect(second.lastExit?.oomKilled == false)
            #expect(second.pid != first.pid)
            return nil
        }
    }

    @Test func exitCode137IsNotASignal() async throws {
        try await withAgent { _, agent in
            await agent.supervisor.apply(put(try assignment("echo bye; exit 137", restart: .never)))
            let status = await agent.status(of: "i-test") { $0.state == .failed }
            #expect(status.lastExit?.code == 137)
            #expect(status.lastExit?.signal == nil)
            #expect(status.lastExit?.lastLines == ["bye"])
            return nil
        }
    }

    @Test func missingCommandFailsForGoodWithTheShellsWords() async throws {
        try await withAgent { _, agent in
            await agent.supervisor.apply(put(try assignment("no-such-program")))
            let status = await agent.status(of: "i-test") { $0.state == .failed }
            #expect(status.restarts == 0)
            #expect(status.reason?.contains("no-such-program: not found") == true)
            return nil
        }
    }

    @Test func doubleForkedChildrenDieWithTheirApp() async throws {
        try await withAgent { harness, agent in
            await agent.supervisor.apply(
                put(try assignment("for i in 1 2 3; do setsid sleep 1000 & done; exit 5", restart: .never)))
            let status = await agent.status(of: "i-test") { $0.state == .failed }
            #expect(status.lastExit?.code == 5)
            #expect(harness.runCgroups.isEmpty)
            return nil
        }
    }

    @Test func appThatIgnoresItsStopSignalIsKilledAfterTheGrace() async throws {
        try await withAgent { _, agent in
            let command = "trap '' TERM; " + Self.server.replacing("exec ", with: "")
            await agent.supervisor.apply(put(try assignment(command, grace: 0.2)))
            _ = await agent.status(of: "i-test") { $0.state == .running }
            await agent.supervisor.apply(put(try assignment(command, desired: .stopped, grace: 0.2)))
            let status = await agent.status(of: "i-test") { $0.state == .stopped }
            #expect(status.lastExit?.requested == true)
            #expect(status.lastExit?.reason.contains("did not end within") == true)
            return nil
        }
    }

    @Test func nextAgentAdoptsTheRunningApp() async throws {
        try await withAgent { harness, first in
            await first.supervisor.apply(put(try assignment(Self.server)))
            let before = await first.status(of: "i-test") { $0.state == .running }
            first.abandon()
            let second = try await harness.startAgent()
            let after = await second.status(of: "i-test") { $0.state == .running }
            #expect(after.pid == before.pid)
            #expect(after.port == before.port)
            #expect(after.restarts == 0)
            kill(try #require(after.pid), SIGKILL)
            let again = await second.status(of: "i-test") { $0.state == .running && $0.restarts == 1 }
            #expect(again.lastExit?.signal == "SIGKILL")
            return second
        }
    }

    @Test func thePortIsHeldOverARestartAndFreedByAStop() async throws {
        try await withAgent { _, agent in
            await agent.supervisor.apply(put(try assignment(Self.server)))
            let first = await agent.status(of: "i-test") { $0.state == .running }
            let port = try #require(first.port.flatMap { UInt16(exactly: $0) })
            #expect(agent.ports.now.ports == ["i-test": port])
            let run = try #require(agent.ports.now.runs["i-test"])
            kill(try #require(first.pid), SIGKILL)
            let second = await agent.status(of: "i-test") { $0.state == .running && $0.restarts == 1 }
            #expect(second.port == first.port && agent.ports.now.ports == ["i-test": port])
            #expect(agent.ports.now.runs["i-test"] != run)
            await agent.supervisor.apply(put(try assignment(Self.server, desired: .stopped)))
            _ = await agent.status(of: "i-test") { $0.state == .stopped }
            #expect(agent.ports.now.ports.isEmpty && agent.ports.now.runs.isEmpty)
            return nil
        }
    }

    @Test func aPortThatSomebodyElseHasIsPassedOver() async throws {
        try await withAgent { _, agent in
            agent.ports.take(Agent.portRange.lowerBound)
            agent.ports.take(Agent.portRange.lowerBound + 1)
            await agent.supervisor.apply(put(try assignment(Self.server)))
            let status = await agent.status(of: "i-test") { $0.state == .running }
            #expect(status.port == Int(Agent.portRange.lowerBound) + 2)
            return nil
        }
    }

    /// It used to try every port of the range, and to blame the range.
    @Test func aSocketThatCannotBeMadeIsToldAsThatAndNoOtherPortIsTried() async throws {
        try await withAgent { _, agent in
            agent.ports.fail(with: SystemError(operation: "socket", errno: EMFILE))
            await agent.supervisor.apply(put(try assignment(Self.server)))
            let status = await agent.status(of: "i-test") { $0.lastExit != nil }
            #expect(status.lastExit?.reason.contains("EMFILE") == true, "\(status)")
            #expect(agent.ports.now.asked <= 2)
            agent.ports.fail(with: nil)
            _ = await agent.status(of: "i-test") { $0.state == .running }
            return nil
        }
    }

    @Test func theNextAgentHoldsThePortAndOpensTheRunAgain() async throws {
        try await withAgent { harness, first in
            await first.supervisor.apply(put(try assignment(Self.server)))
            _ = await first.status(of: "i-test") { $0.state == .running }
            let before = first.ports.now
            first.abandon()
            let second = try await harness.startAgent()
            _ = await second.status(of: "i-test") { $0.state == .running }
            #expect(second.ports.now.ports == before.ports && second.ports.now.runs == before.runs)
            return second
        }
    }

    @Test func anAppOnTheHostsNetworkListensItself() async throws {
        try await withAgent { _, agent in
            var shared = try assignment(Self.server)
            shared.spec.network = .host
            await agent.supervisor.apply(put(shared))
            let status = await agent.status(of: "i-test") { $0.state == .running }
            #expect(agent.ports.now.ports.isEmpty && agent.ports.now.runs.isEmpty)
            let port = try #require(status.port.flatMap { UInt16(exactly: $0) })
            #expect(TCPSockets.listening(ofProcess: getpid()).contains(port: port))
            return nil
        }
    }

    @Test func exitWhileNoAgentLivedIsReportedByTheNext() async throws {
        try await withAgent { harness, first in
            let command = "while [ ! -e /data/go ]; do sleep 0.02; done; exit 7"
            await first.supervisor.apply(put(try assignment(command, restart: .never)))
            let started = await first.status(of: "i-test") { $0.pid != nil }
            first.abandon()
            try SupervisorHarness.endApp(try #require(started.pid), byMaking: harness.home + "/apps/a-test/data/go")
            let second = try await harness.startAgent()
            let after = await second.status(of: "i-test") { $0.state == .failed }
            #expect(after.lastExit?.code == 7)
            #expect(after.restarts == 0)
            return second
        }
    }
}
