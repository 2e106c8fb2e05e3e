// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import PaaSModel
import Sandbox
import Testing

/// Runs that are made ahead: everything is done but the execution of the program.
@Suite(.serialized, .enabled(if: InitRun.isPossible, InitRun.requirement))
struct InitWaitTests {
    private static let command = Command.shell("echo up; exit 3")

    private func waiting(_ profile: SandboxProfile) throws -> InitRun {
        try InitRun(Self.command, profile: profile) {
            $0.waits = true
            $0.lingers = true
        }
    }

    @Test(arguments: [SandboxProfile.standard, .strict])
    func nothingIsExecutedBeforeTheMessage(profile: SandboxProfile) throws {
        let run = try waiting(profile)
        _ = try run.waitUntilWaiting()
        var began = timespec()
        clock_gettime(CLOCK_BOOTTIME, &began)
        try run.begin()
        #expect(try run.startFailure() == nil)
        try run.waitForOutput(containing: "up")
        try run.waitForEndOfApp()
        let record = try #require(run.record)
        #expect(record.outcome == .exited(code: 3))
        // Its time counts from the message, however long it has waited.
        #expect(record.startedBoottimeNanoseconds >= UInt64(began.tv_sec) * 1_000_000_000 + UInt64(began.tv_nsec))
    }

    @Test func messageThatComesBeforeTheSandboxStandsIsNotLost() throws {
        let run = try waiting(.standard)
        try run.begin()
        #expect(try run.startFailure() == nil)
        try run.waitForEndOfApp()
        #expect(run.record?.outcome == .exited(code: 3))
    }

    /// An agent that follows the one which wrote it, and died, sees there that the run has begun.
    @Test func messageStaysAsLongAsPaasInitLives() throws {
        let run = try waiting(.standard)
        try run.begin()
        run.letGo()
        try run.waitForEndOfApp()
        let fifo = try OwnedDescriptor.open(run.directory + "/go", O_RDONLY | O_NONBLOCK)
        let bytes = fifo.allBytes(limit: 100)
        let message = try #require(GoMessage(bytes: bytes))
        #expect(message.instant <= .now && abs(message.time.seconds(until: .now)) < 3_600)
    }

    @Test(arguments: [false, true]) func withoutAWriterNothingIsLeft(isThere: Bool) throws {
        let run = try waiting(.standard)
        if isThere { _ = try run.waitUntilWaiting() }
        run.letGo()
        #expect(try run.wait() == .exited(code: 125))
        #expect(run.record == nil)
        #expect(run.outputSoFar.isEmpty)
    }

    @Test func processThatIsKilledWhileItWaitsHasNeverBeen() throws {
        let run = try waiting(.standard)
        let child = try run.waitUntilWaiting()
        #expect(kill(child, SIGKILL) == 0)
        #expect(try run.wait() == .exited(code: 125))
        #expect(run.record == nil)
    }

    /// Whoever wrote the message counts on a run, and gets a true end of it.
    @Test func processThatIsKilledWhenTheMessageIsThereHasEnded() throws {
        let run = try waiting(.standard)
        let child = try run.waitUntilWaiting()
        // So that it cannot take the message.
        #expect(kill(child, SIGSTOP) == 0)
        try run.begin()
        #expect(kill(child, SIGKILL) == 0)
        try run.waitForEndOfApp()
        #expect(run.record?.outcome == .signaled(signal: SIGKILL, coreDumped: false))
    }

    @Test func programThatDoesNotExistIsToldAfterTheMessage() throws {
        let run = try InitRun(.exec(["./missing"])) { $0.waits = true }
        _ = try run.waitUntilWaiting()
        try run.begin()
        let failure = try #require(try run.startFailure())
        #expect(failure.stage == .exec && failure.isPermanent)
    }

    /// A wait by vfork(2) would be one, and a hundred of them a load of a hundred.
    @Test func waitingIsNoLoad() throws {
        let run = try waiting(.standard)
        let child = try run.waitUntilWaiting()
        for pid in [run.process.value.pid, child] {
            let status = try #require(ProcFS.text(of: "/proc/\(pid)/stat"))
            #expect(status.split(separator: ")").last?.split(separator: " ").first == "S")
        }
        run.letGo()
        _ = try run.wait()
    }
}
