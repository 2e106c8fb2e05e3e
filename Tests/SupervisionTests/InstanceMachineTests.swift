// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import Supervision

@Suite struct InstanceMachineTests {
    typealias Machine = InstanceMachine
    typealias Ending = InstanceMachine.Ending

    private static let failed = Machine.Event.ended(Ending())
    private static let healthyFailure = Machine.Event.ended(Ending(wasReady: true, wasHealthy: true))

    /// A machine after a series of events, with the actions of the last one.
    private func machine(
        _ policy: RestartPolicy = .always, after events: Machine.Event...
    ) -> (machine: Machine, actions: [Machine.Action]) {
        var machine = Machine(policy: policy)
        var actions: [Machine.Action] = []
        for event in events { actions = machine.handle(event) }
        return (machine, actions)
    }

    /// `#expect` cannot hold a mutating call.
    private func check(
        _ actions: [Machine.Action], _ expected: [Machine.Action], sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(actions == expected, sourceLocation: sourceLocation)
    }

    // MARK: The way up

    @Test func wantedInstanceStartsAndGetsRequestsOnceReady() {
        #expect(machine(after: .want(.running)).actions == [.start])
        let ready = machine(after: .want(.running), .becameReady)
        #expect(ready.machine.state == .running)
        #expect(ready.actions == [.openRoute])
    }

    @Test func repeatedWishChangesNothing() {
        for events in [
            [Machine.Event.want(.running)], [.want(.running), .becameReady], [.want(.running), Self.failed],
        ] {
            var machine = Machine(policy: .always)
            for event in events { _ = machine.handle(event) }
            let before = machine
            check(machine.handle(.want(.running)), [])
            #expect(machine == before)
        }
    }

    @Test func repeatedWishDoesNotReviveWhatEndedByPolicy() {
        var (done, _) = machine(.never, after: .want(.running), .becameReady, .ended(Ending(succeeded: true)))
        #expect(done.state == .stopped)
        check(done.handle(.want(.running)), [])
        _ = done.handle(.want(.stopped))
        check(done.handle(.want(.running)), [.start])
    }

    // MARK: Restarts

    @Test func crashIsFollowedByPauseAndStart() {
        let crashed = machine(after: .want(.running), .becameReady, .ended(Ending(wasReady: true)))
        #expect(crashed.machine.state == .restarting)
        #expect(crashed.actions == [.pause(failures: 1, wasReady: true)])
        var again = crashed.machine
        check(again.handle(.pauseOver), [.start])
        #expect(again.restarts == 1)
    }

    @Test func failuresAddUpUntilAHealthyRun() {
        var machine = Machine(policy: .always)
        _ = machine.handle(.want(.running))
        for failures in 1...4 {
            check(machine.handle(Self.failed), [.pause(failures: failures, wasReady: false)])
            _ = machine.handle(.pauseOver)
        }
        #expect(machine.isCrashLooping)
        _ = machine.handle(.becameReady)
        check(machine.handle(Self.healthyFailure), [.pause(failures: 1, wasReady: true)])
        #expect(!machine.isCrashLooping)
        #expect(machine.restarts == 4)
    }

    @Test(arguments: [
        (RestartPolicy.always, true, InstanceState.restarting), (.always, false, .restarting),
        (.onFailure, true, .stopped), (.onFailure, false, .restarting),
        (.never, true, .stopped), (.never, false, .failed),
    ])
    func policyDecides(_ policy: RestartPolicy, succeeded: Bool, expected: InstanceState) {
        let ended = machine(policy, after: .want(.running), .becameReady, .ended(Ending(succeeded: succeeded)))
        #expect(ended.machine.state == expected)
        #expect(expected == .restarting || ended.actions == [.release])
    }

    @Test func permanentFailureIsNotTriedAgain() {
        let ended = machine(after: .want(.running), .ended(Ending(permanent: true)))
        #expect(ended.machine.state == .failed)
        #expect(ended.actions == [.release])
    }

    /// What would follow is what does follow.
    @Test(arguments: RestartPolicy.allCases, InstanceState.allCases)
    func restartIsForetold(_ policy: RestartPolicy, _ state: InstanceState) {
        for goal in [Machine.Goal?.none, .running, .stopped, .removed] {
            for ending in [
                Ending(), Ending(succeeded: true), Ending(wasReady: true, wasHealthy: true), Ending(permanent: true),
            ] {
                let machine = Machine(policy: policy, goal: goal, state: state, restarts: 0, failures: 1)
                let foretold = machine.restart(after: ending)
                var after = machine
                let actions = after.handle(.ended(ending))
                #expect((foretold != nil) == (after.state == .restarting && state != .restarting))
                if let foretold {
                    check(actions, [.pause(failures: foretold.failures, wasReady: foretold.wasReady)])
                }
            }
        }
    }

    // MARK: The way down

    @Test func stopClosesTheRouteBeforeItSignals() {
        var (stopping, actions) = machine(after: .want(.running), .becameReady, .want(.stopped))
        #expect(actions == [.closeRouteAndDrain])
        check(stopping.handle(.drained), [.signalStop])
        check(stopping.handle(.graceOver), [.kill])
        #expect(stopping.state == .stopping)
        check(stopping.handle(Self.failed), [.release])
        #expect(stopping.state == .stopped)
        #expect(stopping.restarts == 0)
    }

    @Test func stopOfAStartingInstanceHasNoRouteToClose() {
        #expect(machine(after: .want(.running), .want(.stopped)).actions == [.signalStop])
    }

    @Test func stopDuringThePauseStartsNothing() {
        var (stopped, actions) = machine(after: .want(.running), Self.failed, .want(.stopped))
        #expect(actions == [.cancelPause, .release])
        check(stopped.handle(.pauseOver), [])
        #expect(stopped.state == .stopped)
    }

    @Test func startWhileStoppingWaitsForTheEnd() {
        var (stopping, actions) = machine(after: .want(.running), .becameReady, .want(.stopped), .want(.running))
        #expect(actions.isEmpty)
        #expect(stopping.state == .stopping)
        check(stopping.handle(Self.failed), [.start])
        #expect(stopping.restarts == 0)
    }

    @Test func unhealthyRunIsEndedAndCountsAsAFailure() {
        var (ending, actions) = machine(after: .want(.running), .unhealthy)
        #expect(actions == [.signalStop])
        check(ending.handle(Self.failed), [.pause(failures: 1, wasReady: false)])
        var (hung, end) = machine(after: .want(.running), .becameReady, .unhealthy)
        #expect(end == [.closeRoute, .examineAndKill])
        check(hung.handle(.ended(Ending(wasReady: true))), [.pause(failures: 1, wasReady: true)])
    }

    @Test func removedInstanceIsForgottenAndNeverComesBack() {
        var (gone, actions) = machine(after: .want(.running), .becameReady, .want(.removed), Self.failed)
        #expect(actions == [.release, .forget])
        check(gone.handle(.want(.running)), [])
        #expect(gone.state == .removed)
        #expect(
            machine(after: .want(.running), Self.failed, .want(.removed)).actions == [.cancelPause, .release, .forget])
    }

    // MARK: A new agent

    /// The pause before it was under way, and the next agent does not wait for its end.
    @Test func restartThatCrossesARestartOfTheAgentCounts() {
        var machine = Machine(policy: .always, goal: .running, state: .restarting, restarts: 3, failures: 1)
        check(machine.handle(.foundNothing), [.start])
        #expect(machine.restarts == 4)
    }

    @Test(arguments: [InstanceState.pending, .starting, .running])
    func runThatDiedWithTheMachineIsStartedAgain(_ state: InstanceState) {
        var machine = Machine(policy: .always, goal: .running, state: state, restarts: 3, failures: 1)
        check(machine.handle(.foundNothing), [.start])
        #expect(machine.restarts == 3)
    }

    @Test func adoptedRunKeepsServing() {
        var machine = Machine(policy: .always, goal: .running, state: .running, restarts: 3, failures: 1)
        check(machine.handle(.adopted(ready: true)), [.openRoute])
        #expect(machine.state == .running)
    }

    @Test func adoptedRunThatShouldStopIsStopped() {
        var machine = Machine(policy: .always, goal: .stopped, state: .stopping, restarts: 0, failures: 0)
        check(machine.handle(.adopted(ready: true)), [.openRoute, .closeRouteAndDrain])
        #expect(machine.state == .stopping)
    }

    /// The app obeyed the stop signal while no agent lived: that is no failure, whatever the policy.
    @Test func stopThatCrossesARestartOfTheAgentStaysRequested() {
        for (goal, state) in [(Machine.Goal.stopped, InstanceState.stopped), (.running, .starting)] {
            var machine = Machine(
                policy: .never, goal: goal, state: .stopping, restarts: 0, failures: 0, endIsRequested: true)
            _ = machine.handle(Self.failed)
            #expect(machine.state == state)
            #expect(machine.restarts == 0)
        }
    }

    @Test func stoppedInstanceStaysStoppedUnderANewAgent() {
        var machine = Machine(policy: .always, goal: .stopped, state: .stopped, restarts: 0, failures: 0)
        check(machine.handle(.foundNothing), [])
        #expect(machine.state == .stopped)
    }

    // MARK: Everything

    private static let everyEvent: [Machine.Event] = [
        .want(.running), .want(.stopped), .want(.removed), .becameReady, failed, healthyFailure,
        .ended(Ending(permanent: true)), .pauseOver, .drained, .graceOver, .unhealthy, .adopted(ready: true),
        .adopted(ready: false), .foundNothing,
    ]

    /// Walks through every state that three random-free rounds of all events can reach and checks what must hold
    /// whatever happens.
    @Test func invariantsHoldOnEveryPath() {
        for policy in RestartPolicy.allCases {
            var seen: Set<Machine> = []
            var frontier = [Machine(policy: policy)]
            while let machine = frontier.popLast() {
                guard machine.failures < 5, machine.restarts < 5, seen.insert(machine).inserted else { continue }
                for event in Self.everyEvent {
                    var next = machine
                    let actions = next.handle(event)
                    if actions.contains(.start) { #expect(next.state == .starting && next.goal == .running) }
                    if actions.contains(.forget) { #expect(next.state == .removed) }
                    if actions.contains(.openRoute) && !actions.contains(.closeRouteAndDrain) {
                        #expect(next.state == .running)
                    }
                    if machine.state == .removed { #expect(next == machine && actions.isEmpty) }
                    if case .restarting = next.state, machine.state != .restarting {
                        #expect(actions.contains { if case .pause = $0 { true } else { false } })
                    }
                    frontier.append(next)
                }
            }
            let unreachable: Set<InstanceState> = policy == .never ? [.restarting] : []
            #expect(Set(seen.map(\.state)) == Set(InstanceState.allCases).subtracting(unreachable))
        }
    }
}
