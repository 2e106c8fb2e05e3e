// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import PaaSModel
import Testing

@testable import Sandbox

/// The real `paas-init` with the descriptors that it expects, as the agent starts it.
final class InitRun {
    let directory: String
    private let started: InitStart
    var process: Shared<ProcessHandle> { started.process }
    private var output: Shared<OwnedDescriptor>?
    private let ended: OwnedDescriptor
    private let denials: OwnedDescriptor
    private var go: Shared<OwnedDescriptor>?
    private var received: [UInt8] = []

    static let userID: UInt32 = 1_900_999_000

    /// Beside the test bundle, where the build puts every product; `PAAS_INIT` where the bundle was moved.
    static let program: String? = {
        if let path = getenv("PAAS_INIT") { return String(cString: path) }
        let bundle = CommandLine.arguments.first { $0.contains(".xctest") } ?? CommandLine.arguments[0]
        guard let range = bundle.range(ofFirst: "/", before: ".xctest") else { return nil }
        let path = bundle[..<range] + "/paas-init"
        return access(String(path), X_OK) == 0 ? String(path) : nil
    }()

    /// What the tests that run it need.
    static var isPossible: Bool {
        program != nil && geteuid() == 0
            && SandboxProbe.layers().filter { $0.name.hasSuffix("-namespace") }.allSatisfy(\.enforced)
    }
    /// Landlock's ABI; 0 without it.
    static var landlockABI: Int {
        guard case .success(let abi) = LandlockSupport.abi else { return 0 }
        return abi
    }
    static let requirement: Comment =
        "needs root with CAP_SYS_ADMIN and CAP_NET_ADMIN, and paas-init beside the test bundle"

    /// A group that apps must not inherit. Set once: the C library interrupts every thread for it.
    private static let hasSupplementaryGroup: Bool = {
        var groups: [gid_t] = [4]
        return setgroups(groups.count, &groups) == 0
    }()

    /// Starts a plan that the given function may change first.
    ///
    /// - Parameter egressReady: whether the tool of the mode `egress` has said that it is ready, or has gone without.
    convenience init(
        _ command: Command, env: [String: String] = [:], bundleFiles: [String: String] = [:],
        profile: SandboxProfile = .standard, network: NetworkMode? = nil,
        egressReady: Bool = false, program: String? = InitRun.program,
        changing change: (inout RunPlan) -> Void = { _ in }
    ) throws {
        let directory = try TemporaryDirectory.make()
        try TemporaryDirectory.fill(directory + "/app", bundleFiles)
        let assignment = Assignment(
            instanceID: "i-abcdefghijklmnopqrst", appID: "a-abcdefghijklmnopqrst",
            app: try AppName(validating: "probe"), slot: "web.1", release: "v1",
            spec: ReleaseSpec(command: command, env: env, network: network, sandbox: profile), desired: .running)
        var plan = try SandboxPlanner().plan(
            assignment: assignment, port: 20_001, userID: Self.userID,
            directories: AppDirectories(app: directory + "/app", data: directory + "/data"))
        // As the agent has it; so long that nothing but the first denial of each call comes before the end.
        if plan.systemCallFilter != nil { plan.denialPause = .seconds(3_600) }
        change(&plan)
        try self.init(
            bytes: plan.encoded(), directory: directory, newPIDNamespace: plan.namespaces.contains(.pid),
            newNetworkNamespace: plan.namespaces.contains(.network), egressReady: egressReady, program: program)
    }

    /// Starts whatever bytes there are as a plan.
    init(
        bytes: [UInt8], directory: String? = nil, newPIDNamespace: Bool = true, newNetworkNamespace: Bool = true,
        egressReady: Bool = false, program: String? = InitRun.program
    ) throws {
        let directory = try directory ?? TemporaryDirectory.make()
        self.directory = directory
        try #require(Self.hasSupplementaryGroup)
        let fifo = directory + "/stdout"
        try #require(mkfifo(fifo, 0o600) == 0 && chown(fifo, Self.userID, Self.userID) == 0)
        let reader = try OwnedDescriptor.open(fifo, O_RDONLY | O_NONBLOCK)
        let writer = try OwnedDescriptor.open(fifo, O_RDWR)
        let record = try OwnedDescriptor.open(directory + "/exit", O_WRONLY | O_CREAT)
        try #require(mkfifo(directory + "/ended", 0o600) == 0)
        self.ended = try OwnedDescriptor.open(directory + "/ended", O_RDONLY | O_NONBLOCK)
        let endedWriter = try OwnedDescriptor.open(directory + "/ended", O_RDWR)
        try #require(mkfifo(directory + "/denials", 0o600) == 0)
        self.denials = try OwnedDescriptor.open(directory + "/denials", O_RDONLY | O_NONBLOCK)
        let denialsWriter = try OwnedDescriptor.open(directory + "/denials", O_RDWR | O_NONBLOCK)
        try #require(mkfifo(directory + "/go", 0o600) == 0)
        let goReader = try OwnedDescriptor.open(directory + "/go", O_RDONLY | O_NONBLOCK)
        self.go = try Shared(OwnedDescriptor.open(directory + "/go", O_RDWR | O_NONBLOCK))
        let connector = try MessageSocket.listen(at: directory + "/connector")
        let egress = try Self.egressLink(isReady: egressReady)
        self.output = Shared(reader)
        self.started = try InitStart(
            path: try #require(program), planBytes: bytes, newPIDNamespace: newPIDNamespace,
            newNetworkNamespace: newNetworkNamespace,
            descriptors: InitStart.Descriptors(
                stdout: writer.rawValue, stderr: writer.rawValue, exitRecord: record.rawValue,
                connector: connector.descriptor.rawValue, egress: egress.rawValue, ended: endedWriter.rawValue,
                denials: denialsWriter.rawValue, go: goReader.rawValue),
            cgroup: nil)
    }

    /// What `paas-init` gets of a tool that has gone already.
    private static func egressLink(isReady: Bool) throws -> OwnedDescriptor {
        let pair = try SocketPair()
        if isReady { try pair.second.writeAll([UInt8(ascii: "1")]) }
        return try pair.first.duplicate()
    }

    deinit {
        // A test that failed in the middle leaves nothing behind: the end of pid 1 is the end of its namespace.
        _ = try? process.value.send(signal: SIGKILL)
        TemporaryDirectory.remove(directory)
    }

    /// Waits for the start; nil when the app runs.
    func startFailure() throws -> StartFailure? {
        try waitUntilReadable(started.failure.value, "paas-init neither started the app nor failed")
        let bytes = try readToEnd(started.failure.value)
        return bytes.isEmpty ? nil : try StartFailure(bytes: bytes)
    }

    /// Lets a run begin that waits.
    func begin() throws { try #require(go).value.writeAll(GoMessage().bytes) }

    /// Is no longer there to let the run begin, as an agent that dies.
    func letGo() { go = nil }

    /// Returns once the app's process waits: nothing but execve is left to do. Its number as the host has it.
    func waitUntilWaiting() throws -> Int32 {
        while true {
            // It is forked last, and its call is poll(2), which ppoll is on some machines.
            if let child = ProcFS.children(of: process.value.pid).first,
                let call = ProcFS.text(of: "/proc/\(child)/syscall")?.split(separator: " ").first,
                ["7", "271", "73"].contains(call)
            {
                return child
            }
            let hasEnded = try process.value.exitStatus() != nil
            try #require(!hasEnded, "paas-init ended before its app waited")
            sched_yield()
        }
    }

    /// Waits until the app has written a text.
    func waitForOutput(containing text: String) throws {
        while !outputSoFar.contains(text) {
            try waitUntilReadable(#require(output).value, "the app wrote only: \(outputSoFar)")
            try drain()
        }
    }

    /// Lets go of the read side of the output, as an agent does that dies, and takes it up again with the function.
    func withoutReader(_ body: () throws -> Void) throws {
        output = nil
        try body()
        output = try Shared(OwnedDescriptor.open(directory + "/stdout", O_RDONLY | O_NONBLOCK))
        try drain()
    }

    /// Waits until `paas-init` tells the app's end, which it does only when the plan says that it lingers.
    func waitForEndOfApp() throws {
        try waitUntilReadable(ended, "paas-init did not tell the end of the app; output: \(outputSoFar)")
    }

    /// What `paas-init` has told of denied calls since the last time.
    func denialsSoFar() throws -> [DenialRecord] { DenialRecord.records(in: try readToEnd(denials)) }

    /// Waits until `paas-init` has told of so many denials of a call, and returns all that it told meanwhile.
    func waitForDenials(of call: Int32, count: Int64) throws -> [DenialRecord] {
        var records: [DenialRecord] = []
        while !records.contains(where: { $0.call == call && $0.count >= count }) {
            try waitUntilReadable(denials, "paas-init told only \(records)")
            records += try denialsSoFar()
        }
        return records
    }

    /// Waits for the end of `paas-init` itself.
    func wait() throws -> ProcessHandle.ExitStatus {
        try waitUntilReadable(process.value.pidfd, "paas-init did not end; output: \(outputSoFar)")
        let status = try process.value.exitStatus()
        try drain()
        return try #require(status)
    }

    /// The exit record; nil when there is none.
    var record: ExitRecord? {
        guard let file = try? OwnedDescriptor.open(directory + "/exit", O_RDONLY), let bytes = try? readToEnd(file)
        else { return nil }
        return ExitRecord(bytes: bytes)
    }

    /// What the app has written so far.
    var outputSoFar: String { String(decoding: received, as: UTF8.self) }

    /// Runs to the end; a start failure is a test failure.
    func finish() throws -> String {
        if let failure = try startFailure() { throw failure }
        _ = try wait()
        return outputSoFar
    }

    private func waitUntilReadable(_ descriptor: borrowing OwnedDescriptor, _ otherwise: Comment) throws {
        var request = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
        var count: Int32
        repeat { count = poll(&request, 1, 30_000) } while count < 0 && errno == EINTR
        try #require(count == 1, otherwise)
    }

    private func drain() throws {
        try withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 1) { buffer in
            while let count = try output?.value.read(into: buffer), count > 0 {
                received.append(contentsOf: buffer[..<count])
            }
        }
    }

    private func readToEnd(_ descriptor: borrowing OwnedDescriptor) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try withUnsafeTemporaryAllocation(byteCount: 4_096, alignment: 1) { buffer in
            while let count = try descriptor.read(into: buffer), count > 0 {
                bytes.append(contentsOf: buffer[..<count])
            }
        }
        return bytes
    }
}

extension String {
    /// The last occurrence of a character before the first occurrence of a text.
    fileprivate func range(ofFirst character: Character, before text: String) -> Index? {
        var position = startIndex
        while position < endIndex, !self[position...].hasPrefix(text) { position = index(after: position) }
        return self[..<position].lastIndex(of: character)
    }
}
