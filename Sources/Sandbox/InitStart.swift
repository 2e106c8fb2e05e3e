// SPDX-License-Identifier: Apache-2.0

internal import Glibc
public import LinuxSystem

/// A `paas-init` that was just started, with the descriptors that it expects (enum paas_init_descriptor): the one place
/// that knows their order.
public struct InitStart: Sendable {
    /// What it may be given beside its plan. Numbers of open descriptors, which are borrowed for the time of the start.
    public struct Descriptors: Sendable {
        /// What the program reads: a pipe or a terminal; nil for nothing.
        public var stdin: Int32?
        /// FIFOs, pipes or a terminal that the program writes to.
        public var stdout: Int32
        public var stderr: Int32
        /// The file that gets the exit record.
        public var exitRecord: Int32
        /// The listening socket of the connector; nil where the app has the host's network.
        public var connector: Int32?
        /// A pidfd of the `paas-init` whose run is joined, for a plan that joins one; such a plan has no connector.
        public var joined: Int32?
        /// The end of a socket pair by which the tool of the mode `egress` says that it is ready.
        public var egress: Int32?
        /// The FIFO that tells the end of the app, for a plan that lets `paas-init` linger.
        public var ended: Int32?
        /// The FIFO, open for both directions and non-blocking, that tells denials, for a plan that has them told.
        public var denials: Int32?
        /// The read end of the FIFO that gets a ``GoMessage``, for a plan that waits for one.
        public var go: Int32?

        /// Creates it.
        public init(
            stdin: Int32? = nil, stdout: Int32, stderr: Int32, exitRecord: Int32, connector: Int32? = nil,
            joined: Int32? = nil, egress: Int32? = nil, ended: Int32? = nil, denials: Int32? = nil, go: Int32? = nil
        ) {
            self.stdin = stdin
            self.stdout = stdout
            self.stderr = stderr
            self.exitRecord = exitRecord
            self.connector = connector
            self.joined = joined
            self.egress = egress
            self.ended = ended
            self.denials = denials
            self.go = go
        }
    }

    /// The process; the caller's to watch and to reap.
    public let process: Shared<ProcessHandle>
    /// Carries one ``StartFailure``, or nothing but the end: then the app runs. Does not block.
    public let failure: Shared<OwnedDescriptor>

    /// Starts it.
    ///
    /// - Parameters:
    ///   - path: of the executable.
    ///   - plan: what it is to do.
    ///   - descriptors: what it gets beside the plan; they stay open here.
    ///   - cgroup: number of a descriptor of the cgroup's directory; nil to stay in the caller's.
    /// - Throws: `SandboxError` for a plan that cannot be encoded, `SystemError` when nothing was started.
    public init(path: String, plan: RunPlan, descriptors: Descriptors, cgroup: Int32?) throws {
        // What is joined has its namespaces already.
        try self.init(
            path: path, planBytes: plan.encoded(), newPIDNamespace: !plan.joins && plan.namespaces.contains(.pid),
            newNetworkNamespace: !plan.joins && plan.namespaces.contains(.network), descriptors: descriptors,
            cgroup: cgroup)
    }

    /// The same with whatever bytes there are as a plan.
    init(
        path: String, planBytes: [UInt8], newPIDNamespace: Bool, newNetworkNamespace: Bool, descriptors: Descriptors,
        cgroup: Int32?
    ) throws(SystemError) {
        let null = try OwnedDescriptor.open("/dev/null", O_RDWR)
        let plan = try OwnedDescriptor.sealedMemory(name: "paas-plan", bytes: planBytes)
        var pipe = try Pipe()
        let started = try Spawner.spawn(
            Spawner.Request(
                path: path, arguments: ["paas-init"], newPIDNamespace: newPIDNamespace,
                newNetworkNamespace: newNetworkNamespace),
            descriptors: [
                descriptors.stdin ?? null.rawValue, descriptors.stdout, descriptors.stderr, plan.rawValue,
                pipe.writer?.rawValue ?? -1, descriptors.exitRecord,
                descriptors.connector ?? descriptors.joined ?? null.rawValue, descriptors.egress ?? null.rawValue,
                descriptors.ended ?? null.rawValue, descriptors.denials ?? null.rawValue,
                descriptors.go ?? null.rawValue,
            ], cgroup: cgroup)
        pipe.closeWriter()
        process = Shared(started)
        failure = Shared(pipe.takeReader())
    }
}
