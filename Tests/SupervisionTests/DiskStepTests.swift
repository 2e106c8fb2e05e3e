// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Supervision

struct DiskStepTests {
    private static let gibibyte: Int64 = 1 << 30

    private func step(
        _ limit: Int64?, image: Int64? = nil, live: [Int64?] = [], mayShrink: Bool = true,
        growsWhileMounted: Bool = true
    ) -> DiskStep {
        DiskStep(
            limit: limit, image: image, live: live, mayShrink: mayShrink, growsWhileMounted: growsWhileMounted)
    }

    private func isRefused(_ step: DiskStep) -> Bool {
        if case .refuse = step { true } else { false }
    }

    @Test func withoutALimitTheFilesStayWhereTheyAre() {
        #expect(step(nil) == .nothing)
        #expect(step(nil, image: Self.gibibyte) == .nothing)
        #expect(step(nil, image: Self.gibibyte, live: [Self.gibibyte]) == .nothing)
    }

    @Test func theFirstLimitNeedsAnAppOfWhichNothingRuns() {
        #expect(step(Self.gibibyte) == .make(bytes: Self.gibibyte))
        #expect(step(Self.gibibyte + 4_095) == .make(bytes: Self.gibibyte))
        #expect(isRefused(step(Self.gibibyte, live: [nil])))
    }

    @Test func growingIsLeftToTheStartWhereTheNodeCan() {
        #expect(step(2 * Self.gibibyte, image: Self.gibibyte) == .nothing)
        #expect(step(2 * Self.gibibyte, image: Self.gibibyte, live: [Self.gibibyte]) == .nothing)
        #expect(
            step(2 * Self.gibibyte, image: Self.gibibyte, growsWhileMounted: false) == .resize(bytes: 2 * Self.gibibyte)
        )
        #expect(
            isRefused(step(2 * Self.gibibyte, image: Self.gibibyte, live: [Self.gibibyte], growsWhileMounted: false)))
    }

    @Test func becomingSmallerNeedsAnAppOfWhichNothingRuns() {
        #expect(step(Self.gibibyte, image: 2 * Self.gibibyte) == .resize(bytes: Self.gibibyte))
        #expect(isRefused(step(Self.gibibyte, image: 2 * Self.gibibyte, live: [2 * Self.gibibyte])))
        #expect(isRefused(step(Self.gibibyte, image: 2 * Self.gibibyte, live: [nil])))
    }

    /// A release had let it grow and failed; then the one before crashed, beside it or alone.
    @Test(arguments: [[], [2 * gibibyte]]) func aCrashIsNoTimeToBecomeSmaller(live: [Int64?]) {
        #expect(step(Self.gibibyte, image: 2 * Self.gibibyte, live: live, mayShrink: false) == .nothing)
    }

    @Test func aReleaseThatRunsAlreadyStartsAgainAfterAnotherOneLetItGrow() {
        #expect(step(Self.gibibyte, image: 2 * Self.gibibyte, live: [2 * Self.gibibyte, Self.gibibyte]) == .nothing)
    }
}
