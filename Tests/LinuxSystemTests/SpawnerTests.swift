// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import LinuxSystem

/// A child's output, and how it ended.
private struct Outcome {
    var output: String
    var status: ProcessHandle.ExitStatus?
}

@Suite struct SpawnerTests {
    private func waitUntilReadable(_ descriptor: borrowing OwnedDescriptor) {
        var ready = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
        while poll(&ready, 1, -1) < 0 && errno == EINTR {}
    }

    /// Runs a program with its stdout in a pipe and waits for its end.
    private func run(_ arguments: [String], environment: [String] = []) throws -> Outcome {
        var pipe = try Pipe()
        let null = try OwnedDescriptor.open("/dev/null", O_RDWR)
        let child = try Spawner.spawn(
            Spawner.Request(path: arguments[0], arguments: arguments, environment: environment),
            descriptors: [null.rawValue, pipe.writer?.rawValue ?? -1, null.rawValue], cgroup: nil)
        pipe.closeWriter()
        var output: [UInt8] = []
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 1)
        defer { chunk.deallocate() }
        while true {
            waitUntilReadable(pipe.reader)
            guard let count = try pipe.reader.read(into: chunk), count > 0 else { break }
            output.append(contentsOf: chunk[..<count])
        }
        waitUntilReadable(child.pidfd)
        return Outcome(output: String(decoding: output, as: UTF8.self), status: try child.exitStatus())
    }

    @Test func exitCodeIsNeverASignal() throws {
        #expect(try run(["/bin/sh", "-c", "exit 137"]).status == .exited(code: 137))
        #expect(
            try run(["/bin/sh", "-c", "kill -9 $$"]).status == .signaled(signal: SIGKILL, coreDumped: false))
    }

    @Test func missingProgramIsThisCallsError() {
        #expect {
            _ = try Spawner.spawn(
                Spawner.Request(path: "/nonexistent/x", arguments: ["x"]), descriptors: [0, 1, 2], cgroup: nil)
        } throws: { error in
            (error as? SystemError)?.operation == "execve" && (error as? SystemError)?.errno == ENOENT
        }
    }

    @Test func childHasOnlyTheGivenDescriptors() throws {
        // 3 is the directory that the shell reads to expand the star.
        #expect(try run(["/bin/sh", "-c", "cd /proc/$$/fd && echo *"]).output == "0 1 2 3\n")
    }

    /// The descriptors were once parked at fixed numbers, and no app could be started by an agent that had these open.
    @Test func descriptorsOfAnyNumberCanBeHandedOver() throws {
        let null = try OwnedDescriptor.open("/dev/null", O_RDWR)
        var many: [Int32] = []
        defer { for number in many { close(number) } }
        for _ in 0..<600 { many.append(dup(null.rawValue)) }
        #expect(try run(["/bin/echo", "started"]).output == "started\n")
    }

    @Test func childInheritsNoEnvironment() throws {
        #expect(try run(["/usr/bin/env"], environment: ["ONLY=this"]).output == "ONLY=this\n")
    }

    @Test func ignoredSignalsAreResetInTheChild() throws {
        let before = signal(SIGUSR1, SIG_IGN)
        defer { signal(SIGUSR1, before) }
        let outcome = try run(["/bin/sh", "-c", "grep -E 'SigIgn|SigBlk' /proc/self/status"])
        #expect(outcome.output == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n")
    }

    @Test func signalToAProcessThatEndedSaysSo() throws {
        let pipe = try Pipe()
        let child = try Spawner.spawn(
            Spawner.Request(path: "/bin/cat", arguments: ["cat"]),
            descriptors: [pipe.reader.rawValue, 1, 2], cgroup: nil)
        #expect(try child.send(signal: SIGTERM))
        waitUntilReadable(child.pidfd)
        _ = try child.exitStatus()
        #expect(try child.send(signal: SIGTERM) == false)
    }
}
