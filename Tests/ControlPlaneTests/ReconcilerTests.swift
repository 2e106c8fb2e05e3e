// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import ControlPlane

struct ReconcilerTests {
    private let node = [Reconciler.NodeSummary(name: "n1", connected: true)]
    private let spec = ReleaseSpec(command: .shell("./server"))

    private func app(instances: Int = 1) throws -> AppState {
        try AppState.create(
            id: "a-1", name: AppName(validating: "hello"), spec: spec, instances: instances, now: .epoch)
    }

    /// An app whose first release runs.
    private func running(instances: Int = 1) throws -> AppState {
        var state = try app(instances: instances)
        try #require(ToyAgents().converge(&state) != nil)
        try #require(state.app?.rollout.phase == .succeeded)
        return state
    }

    @Test func aNewAppGetsItsInstancesAndSucceedsWhenAllAreReady() throws {
        var state = try app(instances: 3)
        #expect(ToyAgents().converge(&state) != nil)
        #expect(state.assigned.map(\.name) == ["web.1", "web.2", "web.3"])
        #expect(state.app?.rollout.phase == .succeeded)
        #expect(state.releases[1]?.status == .live)
        #expect(state.app?.serving == state.app?.target)
    }

    @Test func withoutANodeItWaitsAndSaysSo() throws {
        var state = try app()
        _ = Reconciler.settle(&state, nodes: [], now: .epoch)
        #expect(state.instances.isEmpty)
        #expect(state.app?.rollout.phase == .progressing)
        #expect(state.app?.rollout.message?.contains("no agent has registered") == true)
    }

    @Test func aDisconnectedNodeIsNamedInTheMessage() throws {
        var state = try app()
        _ = Reconciler.settle(&state, nodes: [.init(name: "n1", connected: false)], now: .epoch)
        #expect(state.app?.rollout.message == "waiting for node 'n1': its agent is not connected")
    }

    @Test func aDeployKeepsTheOldInstancesUntilAllNewOnesAreReady() throws {
        var state = try running(instances: 2)
        let old = Set(state.assigned.map(\.id))
        state.deploy(ReleaseSpec(command: .shell("./v2")), instances: 2, start: false, now: .epoch)
        _ = Reconciler.settle(&state, nodes: node, now: .epoch)
        #expect(state.assigned.count == 4)
        let new = state.assigned.map(\.id).filter { !old.contains($0) }
        for (index, id) in new.enumerated() {
            #expect(old.isSubset(of: state.assigned.map(\.id)), "old ones stay while \(index) of 2 are ready")
            state.instances[id]?.status.state = .running
            state.instances[id]?.wasReady = true
            _ = Reconciler.settle(&state, nodes: node, now: .epoch)
        }
        #expect(Set(state.assigned.map(\.id)) == Set(new))
        #expect(state.releases[1]?.status == .superseded)
        #expect(state.releases[2]?.status == .live)
    }

    /// An app whose second release serves while the one instance of the first is still routed to.
    private func leaving() throws -> (state: AppState, old: String) {
        var state = try running()
        let old = try #require(state.assigned.first).id
        state.deploy(ReleaseSpec(command: .shell("./v2")), instances: 1, start: false, now: .epoch)
        _ = Reconciler.settle(&state, nodes: node, now: .epoch)
        let new = try #require(state.targetInstances.first).id
        state.instances[new]?.status.state = .running
        state.instances[new]?.wasReady = true
        #expect(Reconciler.settle(&state, nodes: node, now: .epoch).isEmpty)
        return (state, old)
    }

    @Test func aRolloutEndsWhenTheRouterHasLeftTheOldInstances() throws {
        var (state, old) = try leaving()
        #expect(state.app?.rollout.phase == .progressing)
        #expect(state.app?.rollout.message == "waiting for web.1 of v1 to leave the router")
        #expect(state.instances[old]?.retired == true)
        state.instances[old]?.status.state = .stopping
        #expect(Reconciler.settle(&state, nodes: node, now: .epoch).map(\.kind) == [.deployed])
        #expect(state.app?.rollout.phase == .succeeded)
        #expect(state.app?.rollout.message == nil)
    }

    @Test(arguments: [true, false])
    func aRolloutThatServesWaitsForNoDeadNodeAndNotForEver(isLate: Bool) throws {
        var (state, _) = try leaving()
        let events = Reconciler.settle(
            &state, nodes: [.init(name: "n1", connected: isLate)], deadlinePassed: isLate, now: .epoch)
        #expect(events.map(\.kind) == [.deployed])
        #expect(state.app?.rollout.phase == .succeeded)
    }

    @Test func whatEndsOrStopsAfterItServedDoesNotTakeTheRolloutBack() throws {
        let (state, _) = try leaving()
        var crashed = state
        let new = try #require(state.targetInstances.first).id
        crashed.instances[new]?.status.state = .failed
        #expect(Reconciler.settle(&crashed, nodes: node, now: .epoch).isEmpty)
        #expect(crashed.releases[2]?.status == .live)
        #expect(crashed.assigned.map(\.id) == [new])
        var stopped = state
        _ = stopped.stop(now: .epoch)
        #expect(Reconciler.settle(&stopped, nodes: node, now: .epoch).map(\.kind) == [.deployed])
        #expect(stopped.app?.rollout.phase == .succeeded)
        #expect(stopped.app?.serving?.release == 2)
    }

    @Test func aFailedDeployKeepsTheOldReleaseServing() throws {
        var state = try running()
        let old = state.assigned.map(\.id)
        state.deploy(ReleaseSpec(command: .shell("./broken")), instances: 1, start: false, now: .epoch)
        #expect(ToyAgents(broken: [2]).converge(&state) != nil)
        #expect(state.assigned.map(\.id) == old)
        #expect(state.app?.rollout.phase == .failed)
        #expect(state.app?.rollout.message == "web.1: exited with code 1")
        #expect(state.releases[2]?.status == .failed)
        #expect(state.releases[1]?.status == .live)
        #expect(AppStatusDerivation.status(of: state) == .running)
    }

    @Test func aFailedFirstDeployLeavesItsInstancesToTheirAgent() throws {
        var state = try app()
        #expect(ToyAgents(broken: [1]).converge(&state) != nil)
        #expect(state.assigned.count == 1)
        #expect(state.app?.rollout.phase == .failed)
        #expect(state.releases[1]?.status == .failed)
        #expect(AppStatusDerivation.status(of: state) == .restarting)
    }

    @Test func aProgramThatCannotStartFailsTheDeployWithItsReason() throws {
        var state = try app()
        #expect(ToyAgents(unstartable: [1]).converge(&state) != nil)
        #expect(state.app?.rollout.message == "web.1: program not found")
        #expect(AppStatusDerivation.status(of: state) == .failed)
    }

    @Test func aFirstReleaseThatGetsReadyLateIsAdopted() throws {
        var state = try app()
        _ = ToyAgents(broken: [1]).converge(&state)
        #expect(ToyAgents().converge(&state) != nil)
        #expect(state.app?.serving?.release == 1)
        #expect(state.releases[1]?.status == .live)
        #expect(state.app?.rollout.phase == .failed)
    }

    @Test func thePassedDeadlineFailsTheRolloutAndSaysWhatItWaitedFor() throws {
        var state = try running()
        state.deploy(ReleaseSpec(command: .shell("./slow")), instances: 1, start: false, now: .epoch)
        _ = Reconciler.settle(&state, nodes: node, now: .epoch)
        let new = try #require(state.targetInstances.first)
        state.instances[new.id]?.status.state = .starting
        state.instances[new.id]?.status.reason = "waiting for PORT 20001 to be listened on by web.1"
        _ = Reconciler.settle(&state, nodes: node, deadlinePassed: true, now: .epoch)
        #expect(
            state.app?.rollout.message
                == "not ready within 1m 0s: waiting for PORT 20001 to be listened on by web.1")
        #expect(state.assigned.count == 1)
        #expect(state.app?.target == state.app?.serving)
    }

    @Test func stopKeepsTheInstancesWithTheWishToStop() throws {
        var state = try running(instances: 2)
        _ = state.stop(now: .epoch)
        #expect(ToyAgents().converge(&state) != nil)
        #expect(state.assigned.allSatisfy { $0.desired == .stopped && $0.status.state == .stopped })
        #expect(state.assigned.count == 2)
        #expect(AppStatusDerivation.status(of: state) == .stopped)
    }

    @Test func stopDuringADeployEndsTheDeployAndKeepsTheOldRelease() throws {
        var state = try running()
        state.deploy(ReleaseSpec(command: .shell("./v2")), instances: 1, start: false, now: .epoch)
        _ = Reconciler.settle(&state, nodes: node, now: .epoch)
        _ = state.stop(now: .epoch)
        #expect(ToyAgents().converge(&state) != nil)
        #expect(state.app?.rollout.phase == .failed)
        #expect(state.assigned.map(\.release) == [1])
        state.start(now: .epoch)
        #expect(ToyAgents().converge(&state) != nil)
        #expect(state.assigned.map(\.release) == [1])
        #expect(state.app?.rollout.phase == .succeeded)
    }

    @Test func startMakesFreshInstancesThatNoOldReportCanMistake() throws {
        var state = try running()
        let old = state.assigned.map(\.id)
        _ = state.stop(now: .epoch)
        // The agent has not said "stopped" yet: the old instance still looks as if it ran.
        _ = Reconciler.settle(&state, nodes: node, now: .epoch)
        state.start(now: .epoch)
        _ = Reconciler.settle(&state, nodes: node, now: .epoch)
        #expect(state.app?.rollout.phase == .progressing)
        #expect(Set(state.assigned.map(\.id)).isDisjoint(with: old))
    }

    @Test func startOfARunningAppChangesNothing() throws {
        var state = try running()
        let before = state
        state.start(now: .epoch)
        #expect(state == before)
    }

    @Test func scalingDownRetiresTheHighestSlots() throws {
        var state = try running(instances: 3)
        state.scale(to: 1, now: .epoch)
        #expect(ToyAgents().converge(&state) != nil)
        #expect(state.assigned.map(\.slot) == [1])
        #expect(state.instances.count == 1)
    }

    @Test func scalingUpKeepsTheInstancesThatRun() throws {
        var state = try running()
        let first = try #require(state.assigned.first?.id)
        state.scale(to: 3, now: .epoch)
        #expect(ToyAgents().converge(&state) != nil)
        #expect(state.assigned.map(\.slot) == [1, 2, 3])
        #expect(state.assigned.first?.id == first)
        #expect(state.app?.rollout.phase == .succeeded)
        #expect(state.app?.rollout.kind == .scale)
    }

    @Test func scalingToZeroStopsEverythingAndCountsAsStopped() throws {
        var state = try running(instances: 2)
        state.scale(to: 0, now: .epoch)
        _ = Reconciler.settle(&state, nodes: node, now: .epoch)
        #expect(AppStatusDerivation.status(of: state) == .running, "still ending")
        #expect(ToyAgents().converge(&state) != nil)
        #expect(state.instances.isEmpty)
        #expect(AppStatusDerivation.status(of: state) == .stopped)
    }

    @Test func restartReplacesEveryInstanceByTheSameRelease() throws {
        var state = try running(instances: 2)
        let old = Set(state.assigned.map(\.id))
        state.restart(now: .epoch)
        #expect(ToyAgents().converge(&state) != nil)
        #expect(old.isDisjoint(with: state.assigned.map(\.id)))
        #expect(state.assigned.map(\.release) == [1, 1])
        #expect(state.app?.rollout.kind == .restart)
    }

    @Test func rollbackGoesToTheReleaseThatWasLiveBefore() throws {
        var state = try running()
        state.deploy(ReleaseSpec(command: .shell("./v2")), instances: 1, start: false, now: .epoch)
        _ = ToyAgents().converge(&state)
        state.deploy(ReleaseSpec(command: .shell("./v3")), instances: 1, start: false, now: .epoch)
        _ = ToyAgents(broken: [3]).converge(&state)
        try state.rollback(to: nil, now: .epoch)
        #expect(ToyAgents().converge(&state) != nil)
        #expect(state.assigned.map(\.release) == [1])
        #expect(state.releases[1]?.status == .live)
        #expect(state.releases[2]?.status == .superseded)
        #expect(throws: Problem.self) { try state.rollback(to: "v9", now: .epoch) }
    }

    @Test func aNewerDeployReplacesOneInProgress() throws {
        var state = try running()
        state.deploy(ReleaseSpec(command: .shell("./v2")), instances: 1, start: false, now: .epoch)
        _ = Reconciler.settle(&state, nodes: node, now: .epoch)
        state.deploy(ReleaseSpec(command: .shell("./v3")), instances: 1, start: false, now: .epoch)
        #expect(ToyAgents().converge(&state) != nil)
        #expect(state.assigned.map(\.release) == [3])
        #expect(state.releases[2]?.status == .superseded)
        #expect(state.releases[2]?.reason == "v3 took over before it was ready")
    }

    @Test func aDeployOfAStoppedAppWaitsForItsStart() throws {
        var state = try running()
        _ = state.stop(now: .epoch)
        _ = ToyAgents().converge(&state)
        state.deploy(ReleaseSpec(command: .shell("./v2")), instances: 1, start: false, now: .epoch)
        #expect(ToyAgents().converge(&state) != nil)
        #expect(AppStatusDerivation.status(of: state) == .stopped)
        state.start(now: .epoch)
        #expect(ToyAgents().converge(&state) != nil)
        #expect(state.assigned.map(\.release) == [2])
    }

    @Test func aDestroyedAppLeavesNothingOnceItsAgentsAreDone() throws {
        var state = try running(instances: 3)
        _ = state.destroy(now: .epoch)
        #expect(ToyAgents().converge(&state) != nil)
        #expect(state.instances.isEmpty)
        #expect(state.releases.isEmpty)
    }

    @Test func anInstanceThatItsAgentLostIsReplaced() throws {
        var state = try running()
        let lost = try #require(state.assigned.first?.id)
        state.instances[lost]?.status.state = .removed
        #expect(ToyAgents().converge(&state) != nil)
        #expect(state.assigned.count == 1)
        #expect(state.assigned.first?.id != lost)
        #expect(state.instances[lost] == nil)
    }

    @Test func oldReleasesAreDroppedButNeverOneInUse() throws {
        var state = try running()
        for number in 0..<150 {
            state.deploy(ReleaseSpec(command: .shell("./v\(number)")), instances: 1, start: false, now: .epoch)
            _ = ToyAgents(broken: [number + 2]).converge(&state)
        }
        #expect(state.releases.count == AppState.maxReleases)
        #expect(state.releases[1] != nil, "v1 still serves")
    }
}
