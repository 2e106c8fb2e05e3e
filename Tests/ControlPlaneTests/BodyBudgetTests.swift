// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import ControlPlane

struct BodyBudgetTests {
    @Test func requestBeyondTheBudgetIsRefusedUntilAnotherOneIsAnswered() throws {
        let budget = BodyBudget(limit: 10)
        var first: BodyBudget.Share? = BodyBudget.Share(budget)
        let second = BodyBudget.Share(budget)
        try first?.take(4)
        try first?.take(4)
        try second.take(2)
        #expect(throws: Problem.tooManyBodies) { try second.take(1) }
        first = nil
        try second.take(8)
        #expect(throws: Problem.tooManyBodies) { try second.take(1) }
    }
}
