// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import PaaSModel
import Sandbox
import Testing

/// A program in a network namespace of its own under the real `paas-init`, with its connector in a directory.
final class IsolatedApp: Sendable {
    let directory: String
    let port: UInt16
    private let process: Shared<ProcessHandle>
    /// Read only for the first byte, and kept open: an app that prints more must not die of it.
    private let output: Shared<OwnedDescriptor>

    /// `swift build` puts it beside the test bundle; `PAAS_INIT` where the bundle was moved.
    private static let initPath: String = {
        if let path = getenv("PAAS_INIT") { return String(cString: path) }
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let length = max(0, readlink("/proc/self/exe", &buffer, buffer.count))
        let own = String(decoding: buffer[..<length], as: UTF8.self)
        return own[..<(own.lastIndex(of: "/") ?? own.startIndex)] + "/paas-init"
    }()

    /// What the tests need of the machine; nil when it is there.
    static let missing: String? = {
        if geteuid() != 0 { return "needs root" }
        if access(initPath, X_OK) != 0 { return "needs \(initPath)" }
        return NetworkSupport.current().modes.contains(.isolated) ? nil : "needs network namespaces"
    }()

    /// Starts a Python program and returns once it has printed its first byte. `PORT` is in its environment. The caller
    /// ends it.
    static func start(port: UInt16, _ program: String) async throws -> IsolatedApp {
        let app = try IsolatedApp(port: port, program)
        do {
            try await Waiting.until("the app did not start") { [output = app.output] loop, ready in
                try loop.register(output.value, for: .readable, handler: ready)
            }
        } catch {
            try await app.end()
            throw error
        }
        return app
    }

    private init(port: UInt16, _ program: String) throws {
        self.port = port
        directory = "/tmp/paas-network-\(getpid())-\(UInt32.random(in: .min ... .max))"
        try #require(mkdir(directory, 0o700) == 0)
        do {
            (process, output) = try Self.spawn(program, port: port, directory: directory)
        } catch {
            Self.remove(directory)
            throw error
        }
    }

    private static func spawn(
        _ program: String, port: UInt16, directory: String
    ) throws -> (Shared<ProcessHandle>, Shared<OwnedDescriptor>) {
        var plan = RunPlan(
            argumentVector: ["/usr/bin/python3", "-c", program], userID: 1_900_999_001, groupID: 1_900_999_001)
        plan.environment = ["PORT": String(port), "PYTHONUNBUFFERED": "1"]
        plan.namespaces = [.pid, .network]
        plan.connectorPort = port
        let record = try OwnedDescriptor.anonymousFile(name: "exit")
        let connector = try MessageSocket.listen(at: directory + "/connector")
        var output = try Pipe()
        let started = try InitStart(
            path: initPath, plan: plan,
            descriptors: InitStart.Descriptors(
                stdout: output.writer?.rawValue ?? -1, stderr: 2, exitRecord: record.rawValue,
                connector: connector.descriptor.rawValue),
            cgroup: nil)
        output.closeWriter()
        return (started.process, Shared(output.takeReader()))
    }

    /// Kills it with all it started, and returns when nothing of it is left. Doing it twice is harmless.
    func end() async throws {
        send(SIGKILL)
        try await Waiting.until("the app did not end") { [process] loop, ready in
            try loop.register(process.value.pidfd, for: .readable, handler: ready)
        }
        _ = try process.value.exitStatus()
        Self.remove(directory)
    }

    private static func remove(_ directory: String) {
        unlink(directory + "/connector")
        rmdir(directory)
    }

    /// Signals `paas-init`.
    func send(_ signal: Int32) { _ = try? process.value.send(signal: signal) }

    /// Sends back what it gets, after the end of it, on each connection.
    static let echoAtEnd = """
        import os, socket, threading
        s = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=256)
        def serve(c):
            with c:
                parts = []
                while part := c.recv(65536): parts.append(part)
                c.sendall(b"".join(parts))
        print("up")
        while True: threading.Thread(target=serve, args=(s.accept()[0],)).start()
        """
}

/// Waits beside Swift's own threads, which others need meanwhile: a test that blocked one made clients of other tests miss
/// their time.
private enum Waiting {
    private static let loop: EventLoop = {
        guard let loop = try? EventLoop() else { fatalError("no descriptor is left for an event loop") }
        loop.start(threadName: "test-waiting")
        return loop
    }()

    /// Returns once the registration has called back.
    static func until(
        _ what: Comment,
        _ register: @escaping @Sendable (EventLoop, @escaping () -> Void) throws -> EventLoop.Registration
    ) async throws {
        let hasCome = await withCheckedContinuation { continuation in
            loop.execute {
                let wait = Wait(loop: loop, continuation)
                do {
                    wait.registration = try register(loop) { wait.end(true) }
                    wait.timer = loop.schedule(after: .seconds(30)) { wait.end(false) }
                } catch {
                    wait.end(false)
                }
            }
        }
        try #require(hasCome, what)
    }

    /// Lives on the loop's thread.
    private final class Wait {
        private let loop: EventLoop
        private var continuation: CheckedContinuation<Bool, Never>?
        var registration: EventLoop.Registration?
        var timer: EventLoop.Timer?

        init(loop: EventLoop, _ continuation: CheckedContinuation<Bool, Never>) {
            self.loop = loop
            self.continuation = continuation
        }

        func end(_ hasCome: Bool) {
            if let registration { loop.cancel(registration) }
            if let timer { loop.cancel(timer) }
            continuation?.resume(returning: hasCome)
            continuation = nil
        }
    }
}
