// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import ControlPlane

/// From any state, reconciler and agents come to rest, and there the app is as it was wished.
struct ReconcilerPropertyTests {
    @Test(arguments: 0..<500)
    func anyStateConverges(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var state = try anyState(&random)
        let agents = ToyAgents(
            broken: Set((1...3).filter { _ in Int.random(in: 0..<4, using: &random) == 0 }),
            unstartable: Set((1...3).filter { _ in Int.random(in: 0..<6, using: &random) == 0 }))
        let late = Bool.random(using: &random)
        #expect(agents.converge(&state, deadlinePassed: late) != nil, "it never comes to rest")
        try expectAtRest(state, agents)
    }

    @Test(arguments: 0..<100)
    func commandsInAnyOrderConverge(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed &+ 10_000)
        var state = try anyState(&random)
        let agents = ToyAgents(broken: [2])
        for _ in 0..<12 {
            try applyCommand(&state, &random)
            let nodes = [Reconciler.NodeSummary(name: "n1", connected: true)]
            _ = Reconciler.settle(&state, nodes: nodes, now: .epoch)
            for id in state.instances.keys.sorted() where Bool.random(using: &random) {
                if var instance = state.instances[id] {
                    agents.step(&instance, now: .epoch)
                    state.instances[id] = instance
                }
            }
        }
        #expect(agents.converge(&state) != nil, "it never comes to rest")
        try expectAtRest(state, agents)
    }

    private func expectAtRest(_ state: AppState, _ agents: ToyAgents) throws {
        let nodes = [Reconciler.NodeSummary(name: "n1", connected: true)]
        #expect(Reconciler.actions(for: state, nodes: nodes, deadlinePassed: false).isEmpty)
        #expect(state.instances.values.allSatisfy { !$0.retired }, "everything retired was removed")
        guard let app = state.app else {
            #expect(state.instances.isEmpty)
            return
        }
        #expect(app.rollout.phase != .progressing)
        #expect(state.releases[app.target.release] != nil)
        let slots = state.assigned.map(\.slot)
        #expect(Set(slots).count == slots.count, "no slot twice")
        switch app.desired {
        case .stopped:
            #expect(state.assigned.allSatisfy { $0.status.state == .stopped })
            #expect(AppStatusDerivation.status(of: state) == .stopped)
        case .running:
            #expect(slots == (0..<app.target.instances).map { $0 + 1 })
            #expect(state.assigned.allSatisfy { $0.generation == app.target.number && $0.desired == .running })
            let works = !agents.broken.contains(app.target.release) && !agents.unstartable.contains(app.target.release)
            let failedBefore = state.assigned.contains { $0.status.state == .failed }
            if works, !failedBefore { #expect(state.assigned.allSatisfy { $0.status.state == .running }) }
        }
    }

    private func applyCommand(_ state: inout AppState, _ random: inout SeededGenerator) throws {
        guard let app = state.app else { return }
        switch Int.random(in: 0..<14, using: &random) {
        case 0...2:
            state.deploy(
                ReleaseSpec(command: .shell("./v\(app.latestRelease + 1)")),
                instances: Int.random(in: 0...3, using: &random), start: Bool.random(using: &random), now: .epoch)
        case 3: _ = state.stop(now: .epoch)
        case 4, 5: state.start(now: .epoch)
        case 6: state.restart(now: .epoch)
        case 7, 8: state.scale(to: Int.random(in: 0...4, using: &random), now: .epoch)
        case 9: try? state.rollback(to: nil, now: .epoch)
        case 10 where Int.random(in: 0..<4, using: &random) == 0: _ = state.destroy(now: .epoch)
        case 11, 12:
            guard var spec = state.releases[app.serving?.release ?? 0]?.spec else { return }
            spec.limits.pids = Int.random(in: 1...3, using: &random)
            state.deploy(
                spec, instances: Int.random(in: 0...3, using: &random), start: Bool.random(using: &random), now: .epoch)
        default: break
        }
    }

    /// A state that may never have come about, yet may be found in a store.
    private func anyState(_ random: inout SeededGenerator) throws -> AppState {
        var state = try AppState.create(
            id: "a-1", name: AppName(validating: "any"), spec: ReleaseSpec(command: .shell("x")),
            instances: Int.random(in: 0...3, using: &random), now: .epoch)
        for number in 2...3 {
            state.releases[number] = ReleaseRecord(
                number: number, spec: ReleaseSpec(command: .shell("x\(number)")),
                status: [.live, .failed, .superseded, .deploying].randomElement(using: &random) ?? .live,
                createdAt: .epoch, liveAt: Bool.random(using: &random) ? .epoch : nil)
        }
        state.app?.latestRelease = 3
        state.app?.rollout.id = 3
        state.app?.desired = Bool.random(using: &random) ? .running : .stopped
        state.app?.rollout.phase = [.progressing, .succeeded, .failed].randomElement(using: &random) ?? .failed
        let generations = (1...3).map { number in
            AppRecord.Generation(
                number: number, release: Int.random(in: 1...3, using: &random),
                instances: Int.random(in: 0...3, using: &random))
        }
        state.app?.target = generations.randomElement(using: &random) ?? generations[0]
        state.app?.promotedRollout = Bool.random(using: &random) ? 3 : nil
        state.app?.serving = Bool.random(using: &random) ? generations.randomElement(using: &random) : nil
        for number in 0..<Int.random(in: 0...6, using: &random) {
            let generation = Int.random(in: 1...3, using: &random)
            var instance = InstanceRecord(
                id: "i-\(number)", appID: "a-1", slot: Int.random(in: 1...4, using: &random), generation: generation,
                release: generations[generation - 1].release, node: "n1", now: .epoch)
            instance.desired = Bool.random(using: &random) ? .running : .stopped
            instance.retired = Int.random(in: 0..<4, using: &random) == 0
            instance.status.state = InstanceState.allCases.randomElement(using: &random) ?? .pending
            instance.wasReady = Bool.random(using: &random)
            state.instances[instance.id] = instance
        }
        return state
    }
}

/// Repeatable randomness (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
