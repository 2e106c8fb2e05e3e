// SPDX-License-Identifier: Apache-2.0

import Glibc
import PaaSModel
import Sandbox
import Testing

#if arch(x86_64)
/// The system-call filter, asked by an app in the real `paas-init`; numbers are those of x86-64.
@Suite(.serialized, .enabled(if: InitRun.isPossible, InitRun.requirement))
struct InitSystemCallTests {
    /// One call by its number, with what it is for.
    struct Call: CustomTestStringConvertible, Sendable {
        let name: String
        let number: Int
        var arguments: [Int] = []
        var testDescription: String { name }
    }

    /// Makes the calls in an app; the answers are errno, 0 for success. Nil when the app was killed.
    private func answers(
        _ calls: [Call], profile: SandboxProfile = .standard, filtered: Bool = true
    ) throws -> [Int]? {
        // All six arguments: what a call does not get, it would take from whatever the registers hold.
        let list = calls.map { call in
            let arguments = call.arguments + Array(repeating: 0, count: 6 - call.arguments.count)
            return "(\(([call.number] + arguments).map(String.init).joined(separator: ",")))"
        }
        let script = """
            import ctypes, os
            libc = ctypes.CDLL(None, use_errno=True)
            for call in [\(list.joined(separator: ","))]:
                ctypes.set_errno(0)
                result = libc.syscall(*map(ctypes.c_long, call))
                if call[0] == 56 and result == 0: os._exit(0)
                print(ctypes.get_errno() if result == -1 else 0, flush=True)
            """
        let run = try InitRun(.exec(["python3", "-c", script]), profile: profile) {
            if !filtered { $0.systemCallFilter = nil }
        }
        let text = try run.finish()
        guard case .exited = try #require(run.record).outcome else { return nil }
        return text.split(separator: "\n").compactMap { Int($0) }
    }

    /// Calls that work for an ordinary user, so that the filter is all that stands between an app and them.
    static let denied = [
        Call(name: "clone(CLONE_NEWUSER)", number: 56, arguments: [0x1000_0000 | 17]),
        Call(name: "unshare(CLONE_NEWUSER)", number: 272, arguments: [0x1000_0000]),
        Call(name: "io_uring_setup", number: 425, arguments: [1, 0]),
        Call(name: "perf_event_open", number: 298),
        Call(name: "keyctl", number: 250, arguments: [0, -3, 0]),
        Call(name: "ptrace", number: 101, arguments: [0x4206, 0x7FFF_FFFF]),
        Call(name: "process_vm_readv", number: 310, arguments: [0, 0, 0, 0, 0, 1]),
        Call(name: "personality(ADDR_NO_RANDOMIZE)", number: 135, arguments: [0x4_0000]),
        Call(name: "ioctl(TIOCSTI)", number: 16, arguments: [0, 0x5412, 0]),
        Call(name: "ioctl(TIOCSTI) with high bits", number: 16, arguments: [0, 0x1_0000_5412, 0]),
        Call(name: "ioctl(TIOCSETD)", number: 16, arguments: [0, 0x5423, 0]),
        Call(name: "socket(AF_ALG)", number: 41, arguments: [38, 5, 0]),
        Call(name: "socket(AF_VSOCK)", number: 41, arguments: [40, 1, 0]),
        Call(name: "socket(MPTCP)", number: 41, arguments: [2, 1, 262]),
        Call(name: "socket(SCTP)", number: 41, arguments: [2, 5, 0]),
        Call(name: "socket(UDP-Lite)", number: 41, arguments: [2, 2, 136]),
        Call(name: "socket(NETLINK_SOCK_DIAG)", number: 41, arguments: [16, 3, 4]),
        Call(name: "name_to_handle_at", number: 303, arguments: [-100, 0, 0, 0, 0]),
    ]

    @Test func whatTheListDoesNotAllowIsEPERMAndWorksWithoutTheFilter() throws {
        let with = try #require(try answers(Self.denied))
        let without = try #require(try answers(Self.denied, filtered: false))
        try #require(with.count == Self.denied.count && without.count == Self.denied.count)
        for (call, answer) in zip(Self.denied, with) { #expect(answer == Int(EPERM), "\(call.name)") }
        #expect(!without.contains(Int(EPERM)), "\(without)")
    }

    @Test func clone3AndCallsYoungerThanTheListAreENOSYSSoThatProgramsFallBack() throws {
        let calls = [
            Call(name: "clone3", number: 435), Call(name: "fchmodat2", number: 452),
            Call(name: "of the future", number: 5_000),
        ]
        #expect(try answers(calls) == Array(repeating: Int(ENOSYS), count: 3))
        #expect(try answers([calls[0]], filtered: false) == [Int(EINVAL)])
    }

    @Test func aCallOfAnotherArchitectureEndsTheProcess() throws {
        let getpid = [Call(name: "x32 getpid", number: 0x4000_0000 + 39)]
        #expect(try answers(getpid) == nil)
        #expect(try answers(getpid, filtered: false) != nil)
    }

    @Test func aFilterThatTheKernelRefusesEndsTheStart() throws {
        var plan = RunPlan(argumentVector: ["/bin/true"], userID: InitRun.userID, groupID: InitRun.userID)
        plan.namespaces = .pid
        plan.systemCallFilter = try SystemCallFilter(profile: .standard)
        var bytes = try plan.encoded()
        #expect(try InitRun(bytes: bytes).startFailure() == nil)
        bytes[bytes.count - 8] = 0xFF
        let failure = try InitRun(bytes: bytes).startFailure()
        #expect(
            failure == StartFailure(stage: StartStage(rawValue: 80), errno: EINVAL, detail: "the system-call filter"))
    }

    @Test func nothingThatAStrictAppWroteCanBeExecuted() throws {
        let script =
            "for d in /data /tmp /dev/shm; do cp /bin/true $d/t && chmod 755 $d/t && $d/t && echo ran $d; done; :"
        #expect(try !InitRun(.shell(script), profile: .strict).finish().contains("ran"))
        let standard = try InitRun(.shell(script)).finish()
        #expect(standard.contains("ran /data\n") && standard.contains("ran /tmp\n"))
    }

    @Test func whatOrdinaryProgramsDoWorks() throws {
        let script = """
            import json, multiprocessing, os, select, socket, sqlite3, subprocess, tempfile, threading
            done = []
            thread = threading.Thread(target=lambda: done.append('thread')); thread.start(); thread.join()
            done.append(subprocess.check_output(['echo', 'child'], text=True).strip())
            server = socket.create_server(('127.0.0.1', 20001)); socket.create_connection(server.getsockname())
            socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); socket.socketpair()
            sqlite3.connect('/data/db').execute('create table t (a)')
            os.mkfifo('/tmp/fifo'); epoll = select.epoll(); epoll.register(server, select.EPOLLIN)
            with tempfile.NamedTemporaryFile() as file: os.chmod(file.name, 0o600)
            socket.if_nameindex(); socket.getaddrinfo('localhost', 80)
            with multiprocessing.Pool(2) as pool: done.append(sum(pool.map(abs, [-1, -2])))
            print(json.dumps(done))
            """
        #expect(try InitRun(.exec(["python3", "-c", script])).finish() == "[\"thread\", \"child\", 3]\n")
    }

    @Test func strictDeniesWhatStandardStillAllows() throws {
        // inotify_init1, shmget, getxattr of a null path: success or an error of its own.
        let calls = [
            Call(name: "inotify_init1", number: 294), Call(name: "shmget", number: 29, arguments: [0, 4096, 0o600]),
            Call(name: "getxattr", number: 191),
        ]
        #expect(try answers(calls, profile: .strict) == Array(repeating: Int(EPERM), count: 3))
        let standard = try #require(try answers(calls))
        #expect(standard.count == 3 && !standard.contains(Int(EPERM)))
    }
}
#endif
