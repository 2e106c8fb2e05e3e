// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import ControlPlane

/// A release that differs in limits only goes to the instances that run, and to no new ones.
struct LiveLimitsTests {
    private let node = [Reconciler.NodeSummary(name: "n1", connected: true)]
    private let spec = ReleaseSpec(command: .shell("./server"), limits: Limits(memoryBytes: 64 << 20))

    private func running(instances: Int = 2) throws -> AppState {
        var state = try AppState.create(
            id: "a-1", name: AppName(validating: "hello"), spec: spec, instances: instances, now: .epoch)
        try #require(ToyAgents().converge(&state) != nil)
        return state
    }

    private func limited(_ bytes: Int64) -> ReleaseSpec {
        var spec = spec
        spec.limits.memoryBytes = bytes
        return spec
    }

    @Test func theInstancesStayAndTheReleaseIsNew() throws {
        var state = try running()
        let before = state.assigned.map(\.id)
        state.deploy(limited(128 << 20), instances: 2, start: false, now: .epoch)
        _ = Reconciler.settle(&state, nodes: node, now: .epoch)
        #expect(state.assigned.map(\.id) == before)
        #expect(state.app?.rollout.phase == .progressing, "until the agents have said that it is in force")
        #expect(state.app?.rollout.message == "waiting for the limits of web.1 to be changed")
        #expect(state.assignments.values.allSatisfy { $0.release == "v2" && $0.spec.limits.memoryBytes == 128 << 20 })
        #expect(ToyAgents().converge(&state) != nil)
        #expect(state.assigned.map(\.id) == before)
        #expect(state.app?.rollout.phase == .succeeded)
        #expect(state.releases[2]?.status == .live)
        #expect(state.releases[1]?.status == .superseded)
        #expect(state.app?.serving?.release == 2)
    }

    @Test func aRefusalFailsTheRolloutAndTheEarlierLimitsStay() throws {
        var state = try running()
        let before = state.assigned.map(\.id)
        state.deploy(limited(128 << 20), instances: 2, start: false, now: .epoch)
        #expect(ToyAgents(refused: [2]).converge(&state) != nil)
        #expect(state.app?.rollout.phase == .failed)
        #expect(state.app?.rollout.message == "web.1: no controller 'memory'")
        #expect(state.assigned.map(\.id) == before)
        #expect(state.assignments.values.allSatisfy { $0.release == "v1" && $0.spec == spec })
        #expect(state.releases[2]?.status == .failed)
        #expect(state.app?.serving == state.app?.target)
        // What was refused then says nothing about the next one.
        state.deploy(limited(256 << 20), instances: 2, start: false, now: .epoch)
        #expect(ToyAgents(refused: [2]).converge(&state) != nil)
        #expect(state.app?.rollout.phase == .succeeded)
        #expect(state.assigned.map(\.id) == before)
    }

    @Test func aRollbackOfLimitsIsLiveToo() throws {
        var state = try running()
        let before = state.assigned.map(\.id)
        state.deploy(limited(128 << 20), instances: 2, start: false, now: .epoch)
        #expect(ToyAgents().converge(&state) != nil)
        try state.rollback(to: nil, now: .epoch)
        #expect(ToyAgents().converge(&state) != nil)
        #expect(state.assigned.map(\.id) == before)
        #expect(state.app?.serving?.release == 1)
        #expect(state.assignments.values.allSatisfy { $0.release == "v1" && $0.spec == spec })
    }

    @Test func aDeployInTheMiddleOfAChangeKeepsWhatServes() throws {
        var state = try running()
        let before = state.assigned.map(\.id)
        state.deploy(limited(128 << 20), instances: 2, start: false, now: .epoch)
        _ = Reconciler.settle(&state, nodes: node, now: .epoch)
        state.deploy(ReleaseSpec(command: .shell("./other")), instances: 2, start: false, now: .epoch)
        _ = Reconciler.settle(&state, nodes: node, now: .epoch)
        #expect(Set(before).isSubset(of: state.assigned.map(\.id)), "they serve until the new ones are ready")
        #expect(state.assigned.count == 4)
        #expect(ToyAgents().converge(&state) != nil)
        #expect(Set(before).isDisjoint(with: state.assigned.map(\.id)))
    }

    @Test func anythingElseThatChangesMeansNewInstances() throws {
        for change: (inout ReleaseSpec) -> Void in [
            { $0.env["A"] = "1" }, { $0.limits.diskBytes = 1 << 30 }, { _ in },
        ] {
            var state = try running()
            let before = state.assigned.map(\.id)
            var spec = spec
            change(&spec)
            state.deploy(spec, instances: 2, start: true, now: .epoch)
            _ = Reconciler.settle(&state, nodes: node, now: .epoch)
            #expect(Set(state.assigned.map(\.id)).subtracting(before).count == 2)
        }
    }

    @Test func anAppThatDoesNotRunWellIsStartedAnew() throws {
        var state = try running()
        let before = state.assigned.map(\.id)
        state.instances[before[0]]?.status.state = .restarting
        state.deploy(limited(128 << 20), instances: 2, start: false, now: .epoch)
        _ = Reconciler.settle(&state, nodes: node, now: .epoch)
        #expect(Set(state.assigned.map(\.id)).subtracting(before).count == 2)
    }

    @Test func moreInstancesComeWithTheNewLimits() throws {
        var state = try running(instances: 1)
        let before = state.assigned.map(\.id)
        state.deploy(limited(128 << 20), instances: 2, start: false, now: .epoch)
        #expect(ToyAgents().converge(&state) != nil)
        #expect(state.assigned.map(\.id).first == before.first)
        #expect(state.assigned.count == 2)
        #expect(state.assignments.values.allSatisfy { $0.release == "v2" })
    }
}
