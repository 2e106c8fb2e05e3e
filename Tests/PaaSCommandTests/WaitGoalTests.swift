// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import paas

@Suite struct WaitGoalTests {
    @Test func earlierRolloutIsNotTheOneThatIsWaitedFor() throws {
        let goal = WaitGoal.rollout(id: 4)
        #expect(goal.verdict(on: try sampleApp()) == .waiting(nil))
        #expect(goal.verdict(on: try sampleApp(rollout: sampleRollout(3, .succeeded))) == .waiting(nil))
        #expect(goal.verdict(on: try sampleApp(rollout: sampleRollout(3, .failed))) == .waiting(nil))
    }

    @Test func rolloutIsWaitedForUntilItEnds() throws {
        let goal = WaitGoal.rollout(id: 4)
        #expect(goal.verdict(on: try sampleApp(rollout: sampleRollout(4, .progressing, "w"))) == .waiting("w"))
        #expect(goal.verdict(on: try sampleApp(rollout: sampleRollout(4, .succeeded))) == .reached)
        #expect(goal.verdict(on: try sampleApp(rollout: sampleRollout(4, .failed, "why"))) == .failed("why"))
        // Status alone says nothing: the old release may be what runs.
        #expect(goal.verdict(on: try sampleApp(status: .running, rollout: sampleRollout(4, .failed))) != .reached)
    }

    @Test func laterRolloutTakesThePlaceOfOurs() throws {
        #expect(WaitGoal.rollout(id: 4).verdict(on: try sampleApp(rollout: sampleRollout(5, .succeeded))) == .reached)
    }

    @Test func stopWaitsForTheProcessesAndNotForTheWish() throws {
        let stopping = try sampleApp(status: .running) { $0.desired = .stopped }
        guard case .waiting = WaitGoal.stopped.verdict(on: stopping) else {
            Issue.record("still runs")
            return
        }
        #expect(WaitGoal.stopped.verdict(on: try sampleApp(status: .stopped) { $0.desired = .stopped }) == .reached)
        guard case .failed = WaitGoal.stopped.verdict(on: try sampleApp(status: .pending)) else {
            Issue.record("somebody started it")
            return
        }
    }
}
