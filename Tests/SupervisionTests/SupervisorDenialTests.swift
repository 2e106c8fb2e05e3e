// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import PaaSModel
import Testing

@testable import Supervision

/// From a call that the sandbox denies to the app's events, with the real `paas-init`.
@Suite(.enabled(if: SupervisorHarness.missing == nil, "needs root, cgroup v2 and paas-init"), .serialized)
struct SupervisorDenialTests {
    /// unshare(1) makes the denied call once.
    private static func deny(_ times: Int) -> String {
        "i=0; while [ $i -lt \(times) ]; do unshare -U true 2>/dev/null; i=$((i + 1)); done; "
    }

    private func put(_ command: String, restart: RestartPolicy = .always) throws -> AssignmentMessage {
        .put(revision: 1, assignment: try SupervisorHarness.assignment(command, restart: restart))
    }

    private func blocked(_ agent: Agent) -> [Event] {
        agent.outbox.oldest(10_000).flatMap(\.events).filter { $0.kind == .blocked }
    }

    /// Waits for so many denials of unshare in events, awakened by every report.
    private func events(_ agent: Agent, untilTold count: Int64) async -> [Event] {
        var additions = agent.outbox.additions.makeAsyncIterator()
        while true {
            let events = blocked(agent)
            if events.compactMap(\.blocked?.count).reduce(0, +) >= count { return events }
            await additions.next()
        }
    }

    @Test func deniedCallIsAnEventWithNameAndCount() async throws {
        try await SupervisorHarness.withAgent { _, agent in
            await agent.supervisor.apply(try put(Self.deny(1) + "exec sleep 1000"))
            let event = try #require(await events(agent, untilTold: 1).first)
            #expect(event.message == "blocked system call 'unshare', once (sandbox standard)")
            #expect(event.blocked == BlockedCall(call: "unshare", count: 1))
            #expect(event.app == "demo" && event.instance == "web.1" && event.release == "v1")
            let inspection = try #require(await agent.supervisor.inspect(appID: "a-test").first)
            #expect(inspection.blockedCalls == [BlockedCall(call: "unshare", count: 1)])
            return nil
        }
    }

    @Test func floodIsOneEventInAPauseAndEveryCallIsCounted() async throws {
        try await SupervisorHarness.withAgent(denialPause: .milliseconds(200)) { _, agent in
            await agent.supervisor.apply(try put(Self.deny(150) + "exec sleep 1000"))
            let told = await events(agent, untilTold: 150)
            #expect(told.compactMap(\.blocked?.count).reduce(0, +) == 150)
            for (earlier, later) in zip(told, told.dropFirst()) {
                #expect(earlier.time.seconds(until: later.time) > 0.15)
            }
            #expect(told.count < 150)
            return nil
        }
    }

    @Test func crashLoopIsOneEventAndTheRestIsToldWhenTheInstanceGoes() async throws {
        try await SupervisorHarness.withAgent { harness, agent in
            await agent.supervisor.apply(try put(Self.deny(2) + "exit 1"))
            _ = await agent.status(of: "i-test") { $0.restarts >= 4 }
            #expect(blocked(agent).count == 1)
            await agent.supervisor.apply(.delete(revision: 2, instanceID: "i-test"))
            await agent.supervisor.waitUntilNothingRuns { _ in }
            let told = blocked(agent)
            #expect(told.count == 2)
            let count = told.compactMap(\.blocked?.count).reduce(0, +)
            // The last run may have been stopped in the middle.
            #expect(count >= 8)
            return nil
        }
    }

    /// Neither lost nor counted twice: what is denied before, while and after no agent lives.
    @Test func agentThatDiesLosesNoDenial() async throws {
        try await SupervisorHarness.withAgent(denialPause: .milliseconds(50)) { harness, first in
            let wait = "while [ ! -e /data/go ]; do sleep 0.02; done; "
            await first.supervisor.apply(
                try put(Self.deny(30) + wait + Self.deny(30) + "exit 3", restart: .never))
            let started = await first.status(of: "i-test") { $0.pid != nil }
            _ = await events(first, untilTold: 1)
            first.abandon()
            try SupervisorHarness.endApp(
                try #require(started.pid), byMaking: harness.home + "/apps/a-test/data/go")
            let second = try await harness.startAgent(denialPause: .milliseconds(50))
            // Those of the first agent are in the outbox still.
            let told = await events(second, untilTold: 60)
            #expect(told.compactMap(\.blocked?.count).reduce(0, +) == 60)
            return second
        }
    }

    @Test func whatCannotBeToldYetWaitsForTheNextAgent() async throws {
        try await SupervisorHarness.withAgent { harness, first in
            let wait = "while [ ! -e /data/go ]; do sleep 0.02; done; "
            await first.supervisor.apply(try put(Self.deny(1) + wait + Self.deny(4) + "exit 3", restart: .never))
            let started = await first.status(of: "i-test") { $0.pid != nil }
            _ = await events(first, untilTold: 1)
            try SupervisorHarness.endApp(
                try #require(started.pid), byMaking: harness.home + "/apps/a-test/data/go")
            _ = await first.status(of: "i-test") { $0.state == .failed }
            #expect(blocked(first).compactMap(\.blocked?.count) == [1])
            first.abandon()
            let second = try await harness.startAgent()
            let told = await events(second, untilTold: 5)
            #expect(told.compactMap(\.blocked?.count) == [1, 4])
            return second
        }
    }
}
