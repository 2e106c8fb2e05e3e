// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import PaaSModel
import Sandbox
import Testing

/// What `paas-init` does for an app that runs, and what it says of one that does not.
@Suite(.serialized, .enabled(if: InitRun.isPossible, InitRun.requirement))
struct InitSupervisionTests {
    @Test(arguments: [0, 3, 137, 255] as [Int32])
    func exitCodeIsRecordedAndPassedOn(code: Int32) throws {
        let run = try InitRun(.shell("exit \(code)"))
        #expect(try run.startFailure() == nil)
        #expect(try run.wait() == .exited(code: code))
        #expect(run.record?.outcome == .exited(code: code))
    }

    @Test(arguments: [SIGKILL, SIGSEGV, SIGTERM, SIGABRT])
    func aSignalIsRecordedAsASignalAndNotAsItsExitCode(signal: Int32) throws {
        let run = try InitRun(.shell("kill -\(signal) $$"))
        #expect(try run.startFailure() == nil)
        #expect(try run.wait() == .exited(code: 128 + signal))
        #expect(run.record?.outcome == .signaled(signal: signal, coreDumped: false))
    }

    @Test func recordHasTimesAndUsage() throws {
        let run = try InitRun(.shell("i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done; exit 0"))
        _ = try run.finish()
        let record = try #require(run.record)
        #expect(record.userTime + record.systemTime > .zero)
        #expect(record.uptime >= record.userTime)
        #expect(record.maxResidentBytes > 500_000)
        #expect(abs(record.endedAt.seconds(until: .now)) < 3_600)
    }

    /// What used to be lost: the last output of an app that ended while nobody read, because the FIFO's contents went
    /// with its last holder.
    @Test func outputOfTheLastMomentWaitsForAReaderAsLongAsPaasInitLingers() throws {
        let script = "mkfifo /data/go; echo up; read line < /data/go; echo last words; exit 4"
        let run = try InitRun(.shell(script)) { $0.lingers = true }
        #expect(try run.startFailure() == nil)
        try run.waitForOutput(containing: "up")
        try run.withoutReader {
            let go = try OwnedDescriptor.open(run.directory + "/data/go", O_RDWR | O_NONBLOCK)
            try go.writeAll(Array("\n".utf8))
            try run.waitForEndOfApp()
            #expect(run.record?.outcome == .exited(code: 4))
        }
        #expect(run.outputSoFar == "up\nlast words\n")
        #expect(try run.process.value.exitStatus() == nil)
        try run.process.value.send(signal: SIGKILL)
        #expect(try run.wait() == .signaled(signal: SIGKILL, coreDumped: false))
    }

    @Test func lingeringPaasInitIsDeafToEverySignalButTheKill() throws {
        let run = try InitRun(.shell("exit 0")) { $0.lingers = true }
        #expect(try run.startFailure() == nil)
        try run.waitForEndOfApp()
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGCHLD] { try run.process.value.send(signal: signal) }
        #expect(try run.process.value.exitStatus() == nil)
        try run.process.value.send(signal: SIGKILL)
        _ = try run.wait()
        #expect(run.record?.outcome == .exited(code: 0))
    }

    @Test func anAppThatRunsHasNoRecordYet() throws {
        let run = try InitRun(.shell("echo up; exec sleep 1000"))
        #expect(try run.startFailure() == nil)
        try run.waitForOutput(containing: "up")
        #expect(run.record == nil)
    }

    @Test(arguments: [
        (SIGTERM, "TERM"), (SIGINT, "INT"), (SIGHUP, "HUP"), (SIGQUIT, "QUIT"), (SIGUSR1, "USR1"), (SIGUSR2, "USR2"),
    ])
    func signalsReachTheApp(signal: Int32, name: String) throws {
        let run = try InitRun(
            .shell("trap 'echo got \(name); exit 7' \(name); echo up; while :; do sleep 1000 & wait; done"))
        #expect(try run.startFailure() == nil)
        try run.waitForOutput(containing: "up")
        try run.process.value.send(signal: signal)
        #expect(try run.wait() == .exited(code: 7))
        #expect(run.outputSoFar == "up\ngot \(name)\n")
        #expect(run.record?.outcome == .exited(code: 7))
    }

    @Test func aSignalRightAfterTheStartIsNotLost() throws {
        let run = try InitRun(.exec(["sleep", "1000"]))
        #expect(try run.startFailure() == nil)
        try run.process.value.send(signal: SIGTERM)
        #expect(try run.wait() == .exited(code: 128 + SIGTERM))
        #expect(run.record?.outcome == .signaled(signal: SIGTERM, coreDumped: false))
    }

    @Test func aDaemonThatForkedTwiceDiesWithItsApp() throws {
        let run = try InitRun(.shell("(setsid sh -c 'echo daemon; exec sleep 1000' &) ; sleep 0.2; echo main; exit 0"))
        #expect(try run.startFailure() == nil)
        #expect(try run.wait() == .exited(code: 0))
        #expect(run.outputSoFar.contains("daemon") && run.outputSoFar.contains("main"))
        // pid 1 has ended, and the kernel lets it end only when nothing else is left in its pid namespace.
        #expect(ProcFS.children(of: run.process.value.pid).isEmpty)
    }

    @Test func orphansAreReaped() throws {
        let run = try InitRun(
            .shell(
                "for i in 1 2 3 4 5; do (sleep 0 &); done; sleep 0.3; grep -l '^State:.Z' /proc/[0-9]*/status | wc -l"))
        #expect(try run.finish() == "0\n")
    }

    @Test func aMissingProgramIsReportedWithItsName() throws {
        let run = try InitRun(.exec(["no-such-program", "--flag"]))
        let failure = try #require(try run.startFailure())
        #expect(failure == StartFailure(stage: .exec, errno: ENOENT, detail: "no-such-program"))
        #expect(failure.isPermanent)
        #expect(failure.description.contains("command not found: 'no-such-program'"))
        #expect(try run.wait() == .exited(code: 125))
        #expect(run.record?.outcome == .notStarted(stage: .exec, errno: ENOENT))
    }

    @Test func aMissingFileOfTheBundleIsReportedWithItsPath() throws {
        let failure = try InitRun(.exec(["./server"])).startFailure()
        #expect(failure == StartFailure(stage: .exec, errno: ENOENT, detail: "./server"))
    }

    @Test func aScriptWithoutInterpreterLineIsNotHandedToAShell() throws {
        let run = try InitRun(.exec(["./tool"]), bundleFiles: ["tool": "echo hello\n"])
        #expect(try run.startFailure() == StartFailure(stage: .exec, errno: ENOEXEC, detail: "./tool"))
    }

    @Test func aProgramIsSearchedInTheAppsOwnPath() throws {
        let run = try InitRun(
            .exec(["tool", "x"]), env: ["PATH": "/nowhere:/app"], bundleFiles: ["tool": "#!/bin/sh\necho $0 $1\n"])
        #expect(try run.finish() == "/app/tool x\n")
    }

    @Test func aShellReportsAMissingCommandItself() throws {
        let run = try InitRun(.shell("no-such-program"))
        #expect(try run.startFailure() == nil)
        #expect(try run.wait() == .exited(code: 127))
    }

    @Test func aMissingDirectoryIsReportedWithItsStage() throws {
        let run = try InitRun(
            .shell(":"),
            changing: { $0.mounts[$0.mounts.count - 6] = .bind(source: "/nowhere", target: "/app", options: .readOnly) }
        )
        let failure = try #require(try run.startFailure())
        #expect(failure == StartFailure(stage: .mountBind, errno: ENOENT, detail: "/nowhere"))
        #expect(!failure.isPermanent)
        #expect(run.record == nil || run.record?.outcome == .notStarted(stage: .mountBind, errno: ENOENT))
        #expect(try run.wait() == .exited(code: 125))
        #expect(run.record?.outcome == .notStarted(stage: .mountBind, errno: ENOENT))
    }

    @Test func aPlanThatIsNotOneIsRefused() throws {
        var plan = RunPlan(argumentVector: ["/bin/true"], userID: InitRun.userID, groupID: InitRun.userID)
        plan.environment = ["A": "b"]
        plan.namespaces = .pid
        let good = try plan.encoded()
        #expect(try InitRun(bytes: good).startFailure() == nil)

        var versioned = good
        versioned[4] -= 1
        var cut = good
        cut.removeLast()
        var overlong = good
        overlong[88] = 255  // the host name's length
        var root = good
        root.replaceSubrange(16..<20, with: [0, 0, 0, 0])
        for bytes in [[0], versioned, cut, good + [0], overlong, root, [UInt8](repeating: 0x41, count: 2 << 20)] {
            let run = try InitRun(bytes: bytes)
            let failure = try #require(try run.startFailure())
            #expect(failure.stage == .planInvalid)
            #expect(failure.isPermanent)
        }
    }

    @Test func aPlanForAPidNamespaceIsRefusedOutsideOne() throws {
        var plan = RunPlan(argumentVector: ["/bin/true"], userID: InitRun.userID, groupID: InitRun.userID)
        plan.namespaces = .pid
        let failure = try InitRun(bytes: plan.encoded(), newPIDNamespace: false).startFailure()
        #expect(failure == StartFailure(stage: StartStage(rawValue: 3), errno: EPERM, detail: "paas-init is not pid 1"))
    }

    @Test func withoutNamespacesTheAppStillHasItsOwnUserAndNoCapabilities() throws {
        let run = try InitRun(
            .shell("id -u; grep CapBnd /proc/self/status; ls -d /root"),
            changing: {
                $0.namespaces = []
                $0.mounts = []
                $0.landlock = nil
                $0.workingDirectory = "/"
            })
        #expect(try run.finish() == "\(InitRun.userID)\nCapBnd:\t0000000000000000\n/root\n")
        #expect(run.record?.outcome == .exited(code: 0))
    }

    @Test func theMachinesOwnMountsDoNotChange() throws {
        let before = ProcFS.text(of: "/proc/self/mountinfo")
        _ = try InitRun(.shell("cat /proc/self/mountinfo")).finish()
        #expect(ProcFS.text(of: "/proc/self/mountinfo") == before)
    }
}
