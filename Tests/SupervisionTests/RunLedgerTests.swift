// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import Supervision

@Suite struct RunLedgerTests {
    private let assignment: Assignment

    init() throws {
        assignment = Assignment(
            instanceID: "i-1", appID: "a-1", app: try AppName(validating: "web"), slot: "web.1", release: "v1",
            spec: ReleaseSpec(command: .shell("true")), desired: .running)
    }

    @Test func endsAndRestartsAddUpOverTheInstancesOfASlot() {
        var ledger = RunLedger()
        var replacement = assignment
        replacement.instanceID = "i-2"
        ledger.ended(assignment, cause: .error, used: nil)
        ledger.restarted(assignment)
        ledger.ended(replacement, cause: .error, used: nil)
        ledger.ended(replacement, cause: .requested, used: nil)
        #expect(ledger.entries["a-1"]?["web.1"]?.exits == ["error": 2, "requested": 1])
        #expect(ledger.entries["a-1"]?["web.1"]?.restarts == 1)
    }

    @Test func aDestroyedAppIsForgotten() {
        var ledger = RunLedger()
        ledger.ended(assignment, cause: .success, used: nil)
        ledger.forget(appID: "a-1")
        #expect(ledger.entries.isEmpty)
        #expect(ledger.names.isEmpty)
    }

    @Test func whatOnlyOneRunCountsIsKeptAndWhatNoneCountsStaysUnknown() {
        var one = RunCounters()
        (one.cpuMicroseconds, one.readBytes) = (5, 7)
        one.waitedMicroseconds = ["cpu": 1]
        var two = RunCounters()
        two.cpuMicroseconds = 3
        two.waitedMicroseconds = ["cpu": 2, "io": 4]
        one.add(two)
        #expect(one.cpuMicroseconds == 8)
        #expect(one.readBytes == 7)
        #expect(one.writtenBytes == nil)
        #expect(one.waitedMicroseconds == ["cpu": 3, "io": 4])
    }

    @Test func theCauseIsWhatTheReportTells() {
        func cause(_ change: (inout ExitReport) -> Void, unhealthy: Bool = false) -> ExitCause {
            var report = ExitReport(at: .now)
            change(&report)
            return ExitCause(report, wasUnhealthy: unhealthy)
        }
        #expect(cause { $0.code = 0 } == .success)
        #expect(cause { $0.code = 3 } == .error)
        #expect(cause { $0.signal = "SIGSEGV" } == .signal)
        #expect(cause { ($0.signal, $0.oomKilled) = ("SIGKILL", true) } == .outOfMemory)
        #expect(cause { ($0.signal, $0.requested) = ("SIGTERM", true) } == .requested)
        #expect(cause({ $0.signal = "SIGKILL" }, unhealthy: true) == .unhealthy)
        #expect(cause { $0.startFailure = "exec: ENOENT" } == .startFailure)
        #expect(cause { _ in } == .unknown)
    }
}
