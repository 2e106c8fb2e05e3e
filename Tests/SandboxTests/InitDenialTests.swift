// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import PaaSModel
import Testing

@testable import Sandbox

#if arch(x86_64)
/// Denied calls that the real `paas-init` answers, counts and tells; numbers are those of x86-64.
@Suite(.serialized, .enabled(if: InitRun.isPossible, InitRun.requirement))
struct InitDenialTests {
    private static let mount: Int32 = 165
    private static let keyctl: Int32 = 250

    /// A Python program that can make system calls by their number: `call(165)` returns errno, 0 for success.
    private static func python(_ body: String) -> Command {
        .exec([
            "python3", "-c",
            """
            import ctypes, os, signal, sys, time
            libc = ctypes.CDLL(None, use_errno=True)
            def call(number, *arguments):
                arguments = [number] + list(arguments) + [0] * (6 - len(arguments))
                result = libc.syscall(*map(ctypes.c_long, arguments))
                return ctypes.get_errno() if result == -1 else 0
            \(body)
            """,
        ])
    }

    @Test(arguments: [SandboxProfile.standard, .strict])
    func deniedCallsAreRefusedAndToldWithTheirCountBeforeTheEnd(profile: SandboxProfile) throws {
        let run = try InitRun(
            Self.python("print([call(165) for _ in range(5)], call(250), call(165))"), profile: profile)
        #expect(try run.finish() == "[1, 1, 1, 1, 1] 1 1\n")
        #expect(run.record?.outcome == .exited(code: 0))
        let told = try run.denialsSoFar()
        // The first of each at once, the others together.
        #expect(
            told == [
                DenialRecord(call: Self.mount, count: 1), DenialRecord(call: Self.keyctl, count: 1),
                DenialRecord(call: Self.mount, count: 6),
            ])
    }

    @Test func whatCameDuringAPauseIsToldAfterItWhileTheAppRuns() throws {
        let run = try InitRun(Self.python("[call(165) for _ in range(7)]; signal.pause()")) {
            $0.denialPause = .milliseconds(50)
        }
        let told = try run.waitForDenials(of: Self.mount, count: 7)
        #expect(told.map(\.count).last == 7)
        #expect(run.record == nil)
        try run.process.value.send(signal: SIGTERM)
        _ = try run.wait()
        #expect(try run.denialsSoFar().isEmpty)
    }

    @Test func manyDifferentCallsAreToldAFewInAPauseAndAllAtTheEnd() throws {
        let numbers =
            "[155, 161, 165, 166, 175, 176, 246, 248, 249, 250, 298, 304, 310, 311, 312, 321, 323, 425, 426, 427]"
        let run = try InitRun(Self.python("print({call(n) for n in \(numbers)}, flush=True); signal.pause()"))
        try run.waitForOutput(containing: "{1}")
        #expect(try run.denialsSoFar().count == 16)
        try run.process.value.send(signal: SIGTERM)
        _ = try run.wait()
        #expect(try run.denialsSoFar().map(\.count) == [1, 1, 1, 1])
    }

    @Test func aFloodOfDeniedCallsStopsNeitherTheConnectorNorSignalsNorTheRecord() throws {
        let run = try InitRun(
            Self.python(
                """
                call(250)
                for _ in range(4):
                    if os.fork() == 0:
                        call(165)
                        call(165)
                        os.write(1, b"up ")
                        while True: call(165)
                signal.pause()
                """))
        try run.waitForOutput(containing: "up up up up")
        let client = try MessageSocket.connect(to: run.directory + "/connector", waits: false)
        for _ in 0..<20 {
            try client.send(withUnsafeBytes(of: UInt32(0x4E43_5050)) { Array($0) })
            var ready = pollfd(fd: client.descriptor.rawValue, events: Int16(POLLIN), revents: 0)
            try #require(poll(&ready, 1, 30_000) == 1, "no answer")
            guard let answer = try client.receive(limit: 8, descriptors: 1) else { continue }
            #expect(answer.bytes == [0, 0, 0, 0])
        }
        try run.process.value.send(signal: RunPlan.killSignal)
        _ = try run.wait()
        #expect(run.record?.outcome == .signaled(signal: SIGKILL, coreDumped: false))
        let told = try run.denialsSoFar()
        #expect(told.count { $0.call == Self.mount } == 2 && (told.last?.count ?? 0) > 1, "\(told)")
    }

    @Test(arguments: [2_064, 65_536])
    func aFIFOThatNobodyReadsPostponesAndStopsNothing(bytes: Int) throws {
        let run = try InitRun(
            Self.python(
                "while not os.path.exists('/data/go'): time.sleep(0.01)\nprint([call(165) for _ in range(3)])"))
        let writer = try OwnedDescriptor.open(run.directory + "/denials", O_WRONLY | O_NONBLOCK)
        try writer.writeAll([UInt8](repeating: 0, count: bytes))
        _ = try OwnedDescriptor.open(run.directory + "/data/go", O_WRONLY | O_CREAT)
        #expect(try run.finish() == "[1, 1, 1]\n")
        #expect(run.record?.outcome == .exited(code: 0))
        // Told once at the end, where there was room.
        let expected = bytes < 65_536 ? [DenialRecord(call: Self.mount, count: 3)] : []
        #expect(try run.denialsSoFar() == expected)
    }

    @Test func theAppHasNoWayToTheListener() throws {
        let run = try InitRun(
            Self.python(
                """
                print([name for name in os.listdir("/proc/self/fd") if int(name) > 2 and os.path.exists("/proc/self/fd/" + name)])
                class Program(ctypes.Structure): _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
                allow = ctypes.create_string_buffer(b"\\x06\\x00\\x00\\x00\\x00\\x00\\xff\\x7f")
                program = Program(1, ctypes.addressof(allow))
                print(call(317, 1, 8, ctypes.addressof(program)))
                try: os.listdir("/proc/1/fd")
                except OSError as error: print(error.errno)
                print(call(438, 3, 4, 0))
                """))
        // There is a listener (EBUSY), no descriptor of it here, and none to be had from paas-init.
        #expect(try run.finish() == "[]\n\(EBUSY)\n\(EACCES)\n\(EPERM)\n")
    }

    @Test func withinAFilterThatHasAListenerTheFilterAnswersByItselfAndThatIsTold() throws {
        let directory = try TemporaryDirectory.make()
        defer { TemporaryDirectory.remove(directory) }
        let wrapper = directory + "/init"
        // The listener lives as long as a process that has it; paas-init ends that one with the rest of the app.
        let script = """
            #!/usr/bin/python3
            import ctypes, os, signal
            libc = ctypes.CDLL(None, use_errno=True)
            class Program(ctypes.Structure): _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
            allow = ctypes.create_string_buffer(b"\\x06\\x00\\x00\\x00\\x00\\x00\\xff\\x7f")
            program = Program(1, ctypes.addressof(allow))
            assert libc.syscall(317, 1, 8, ctypes.byref(program)) >= 0
            if os.fork() == 0:
                os.closerange(0, 10)
                os.setresuid(\(InitRun.userID), \(InitRun.userID), \(InitRun.userID))
                signal.pause()
            os.execv("\(try #require(InitRun.program))", ["paas-init"])
            """
        try OwnedDescriptor.open(wrapper, O_WRONLY | O_CREAT, mode: 0o700).writeAll(Array(script.utf8))
        let run = try InitRun(Self.python("print(call(165))"), program: wrapper)
        #expect(try run.finish() == "1\n")
        #expect(try run.denialsSoFar() == [DenialRecord(call: nil, count: 0)])
    }

    @Test func aPlanWithoutAPauseTellsNothing() throws {
        let run = try InitRun(Self.python("print(call(165))")) { $0.denialPause = nil }
        #expect(try run.finish() == "1\n")
        #expect(try run.denialsSoFar().isEmpty)
    }

    @Test func ordinaryProgramsAreDeniedNothing() throws {
        let run = try InitRun(
            .shell(
                "ls -l / >/dev/null; grep -r x /etc/hostname; tar -cf /tmp/t /etc/hosts 2>/dev/null; "
                    + "python3 -c 'import json, socket, sqlite3, subprocess, threading; subprocess.run([\"true\"]); "
                    + "t = threading.Thread(target=print); t.start(); t.join()'"))
        _ = try run.finish()
        #expect(try run.denialsSoFar().isEmpty)
    }
}
#endif
