// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import PaaSModel
import Sandbox
import Testing

/// Landlock in the real `paas-init`: what is denied by it and by nothing else.
@Suite(
    .serialized,
    .enabled(if: InitRun.isPossible && InitRun.landlockABI >= 6, "needs root and Landlock ABI 6 (Linux 6.12)"))
struct InitLandlockTests {
    /// Runs Python statements in one app, each by itself: the name of the error, or "ok".
    private func attempts(_ lines: [String], restricted: Bool = true) throws -> [String] {
        let list = lines.map { "\"\"\"\($0)\"\"\"" }.joined(separator: ",")
        let script = """
            import errno, fcntl, os, signal, socket
            for line in [\(list)]:
                try: exec(line); print('ok', flush=True)
                except OSError as error: print(errno.errorcode[error.errno], flush=True)
            """
        let run = try InitRun(.exec(["python3", "-c", script]), network: .host) { plan in
            // As if the view had a hole: the bundle is the app's own and can be written to.
            plan.mounts = plan.mounts.map { mount in
                guard case .bind(let source, "/app", _) = mount else { return mount }
                _ = chown(source, InitRun.userID, InitRun.userID)
                return Mount.bind(source: source, target: "/app", options: [])
            }
            if !restricted { plan.landlock = nil }
        }
        return try run.finish().split(separator: "\n").map(String.init)
    }

    private func deniedByLandlockOnly(_ line: String, _ reason: String) throws {
        #expect(try attempts([line]) == [reason])
        #expect(try attempts([line], restricted: false) == ["ok"])
    }

    @Test func noPortButItsOwnCanBeBound() throws {
        #expect(try attempts(["socket.socket().bind(('127.0.0.1', 20001))"]) == ["ok"])
        try deniedByLandlockOnly("socket.socket().bind(('127.0.0.1', 0))", "EACCES")
        try deniedByLandlockOnly("socket.socket(socket.AF_INET6).bind(('::1', 0))", "EACCES")
    }

    @Test func noSignalLeavesTheApp() throws {
        try deniedByLandlockOnly("os.kill(1, 0)", "EPERM")
        let own = ["os.kill(os.getpid(), 0)", "child = os.fork() or signal.pause(); os.kill(child, 9)"]
        #expect(try attempts(own) == ["ok", "ok"])
    }

    @Test func noAbstractSocketOfAnotherCanBeReached() throws {
        let name = "paas-landlock-test-\(getpid())"
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { path in
            for (index, byte) in name.utf8.enumerated() { path[index + 1] = byte }
        }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + 1 + name.utf8.count)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, length) }
        }
        try #require(bound == 0 && listen(listener, 8) == 0)
        try deniedByLandlockOnly("socket.socket(socket.AF_UNIX).connect(chr(0) + '\(name)')", "EPERM")
    }

    @Test func aHoleInTheViewIsStillClosed() throws {
        try deniedByLandlockOnly("open('/app/new', 'w')", "EACCES")
        try deniedByLandlockOnly("os.mkdir('/app/new'); os.rmdir('/app/new')", "EACCES")
    }

    @Test func noDeviceCanBeControlled() throws {
        // FIONREAD, which the system-call filter lets through; /dev/null itself knows no such request.
        let line = "fcntl.ioctl(open('/dev/null'), 0x541B, bytes(4))"
        #expect(try attempts([line]) == ["EACCES"])
        #expect(try attempts([line], restricted: false) == ["ENOTTY"])
    }

    @Test func whatAppsDoWithFilesWorks() throws {
        let lines = [
            "os.mkdir('/data/a'); open('/data/f', 'w').write('x'); os.rename('/data/f', '/data/a/f')",
            "os.truncate('/data/a/f', 0); os.link('/data/a/f', '/data/g'); os.symlink('x', '/data/l')",
            "os.unlink('/data/a/f'); os.rmdir('/data/a')",
            "open('/dev/null', 'w').write('x'); open('/dev/stdout', 'w').close(); os.listdir('/'); os.listdir('/usr')",
            "open('/proc/self/comm', 'w').write('x'); open('/proc/self/fd/0').close(); open('/etc/passwd').read()",
            "open('/tmp/run', 'w').write('#!/bin/sh'); os.chmod('/tmp/run', 0o755); assert os.system('/tmp/run') == 0",
            "socket.socket(socket.AF_UNIX).bind('/tmp/socket'); os.mkfifo('/data/fifo')",
        ]
        #expect(try attempts(lines) == Array(repeating: "ok", count: lines.count))
    }
}
