// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import ControlPlane

struct AppStatusDerivationTests {
    /// One row of the table: what is wished, what the instances are, what people see.
    struct Row: CustomTestStringConvertible, Sendable {
        var desired: DesiredState = .running
        var states: [InstanceState]
        var restarts = 0
        var expected: AppStatus
        var testDescription: String { "\(desired) \(states) restarts \(restarts) → \(expected)" }
    }

    @Test(arguments: [
        Row(states: [], expected: .pending),
        Row(states: [.pending], expected: .pending),
        Row(states: [.starting], expected: .pending),
        Row(states: [.starting], restarts: 1, expected: .restarting),
        Row(states: [.restarting], expected: .restarting),
        Row(states: [.running], expected: .running),
        Row(states: [.running, .failed], expected: .running),
        Row(states: [.failed, .restarting], expected: .restarting),
        Row(states: [.failed, .failed], expected: .failed),
        Row(states: [.failed, .pending], expected: .pending),
        Row(states: [.stopped], expected: .stopped),
        Row(states: [.stopped, .failed], expected: .failed),
        Row(states: [.stopped, .pending], expected: .pending),
        Row(desired: .stopped, states: [], expected: .stopped),
        Row(desired: .stopped, states: [.stopped], expected: .stopped),
        Row(desired: .stopped, states: [.failed], expected: .stopped),
        Row(desired: .stopped, states: [.restarting], expected: .stopped),
        Row(desired: .stopped, states: [.running], expected: .running),
        Row(desired: .stopped, states: [.stopping], expected: .running),
        Row(desired: .stopped, states: [.stopped, .stopping], expected: .running),
        Row(desired: .stopped, states: [.starting], expected: .pending),
    ])
    func statusFollowsTheTable(row: Row) throws {
        #expect(AppStatusDerivation.status(of: try state(row)) == row.expected)
    }

    private func state(_ row: Row) throws -> AppState {
        var state = try AppState.create(
            id: "a-1", name: AppName(validating: "hello"), spec: ReleaseSpec(command: .shell("x")),
            instances: max(1, row.states.count), now: .epoch)
        state.app?.desired = row.desired
        for (index, instanceState) in row.states.enumerated() {
            var instance = InstanceRecord(
                id: "i-\(index)", appID: "a-1", slot: index + 1, generation: 1, release: 1, node: "n1", now: .epoch)
            instance.status.state = instanceState
            instance.status.restarts = row.restarts
            state.instances[instance.id] = instance
        }
        return state
    }

    private func node(connected: Bool) -> Node {
        Node(
            name: "n1", connected: connected, agentAddress: "unix:/a", routerAddress: "127.0.0.1:8081", version: "1",
            capabilities: NodeCapabilities(
                cgroupMode: "unified", cgroupRoot: "/", controllers: [], kernel: "6", networks: [.host], layers: []))
    }

    @Test func theViewShowsTheFirstReadyInstance() throws {
        var state = try state(Row(states: [.starting, .running], expected: .running))
        state.instances["i-0"]?.status.port = 1
        state.instances["i-1"]?.status.port = 2
        state.instances["i-1"]?.status.pid = 42
        state.instances["i-0"]?.status.restarts = 3
        let view = try #require(AppStatusDerivation.view(of: state, nodes: ["n1": node(connected: true)]))
        #expect(view.port == 2)
        #expect(view.pid == 42)
        #expect(view.restarts == 3)
        #expect(view.instancesReady == 1)
        #expect(view.network == .host)
        #expect(view.urls == ["http://127.0.0.1:8081/apps/hello/", "http://hello.localhost:8081/"])
    }

    @Test func anAgentThatIsNotConnectedIsSaid() throws {
        let state = try state(Row(states: [.running], expected: .running))
        let view = try #require(AppStatusDerivation.view(of: state, nodes: ["n1": node(connected: false)]))
        #expect(view.reason == "node 'n1': its agent is not connected; this is what it last said")
    }
}
