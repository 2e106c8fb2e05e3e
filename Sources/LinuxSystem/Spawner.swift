// SPDX-License-Identifier: Apache-2.0

internal import CLinuxSupport
internal import Glibc

/// Starts programs straight into a cgroup, by clone3(2).
public struct Spawner: Sendable {
    /// What is started. Descriptors are borrowed for the time of the call.
    public struct Request: Sendable {
        /// The program's path; no search.
        public var path: String
        /// argv, the name included.
        public var arguments: [String]
        /// The whole environment, `NAME=value`; nothing is inherited.
        public var environment: [String]
        /// The program becomes pid 1 of a pid namespace of its own, and starts with every signal blocked: pid 1 loses
        /// a signal that it neither blocks nor handles yet.
        public var newPIDNamespace: Bool
        /// The program starts in a network namespace of its own, with nothing in it but a loopback interface that is
        /// down; so others find it there as soon as the program is spawned.
        public var newNetworkNamespace: Bool

        /// Creates a request.
        public init(
            path: String, arguments: [String], environment: [String] = [], newPIDNamespace: Bool = false,
            newNetworkNamespace: Bool = false
        ) {
            self.path = path
            self.arguments = arguments
            self.environment = environment
            self.newPIDNamespace = newPIDNamespace
            self.newNetworkNamespace = newNetworkNamespace
        }
    }

    /// Starts a program and returns when it runs, or has failed to.
    ///
    /// The child gets default signal dispositions, an empty signal mask and only the given descriptors.
    ///
    /// - Parameters:
    ///   - request: program, arguments and environment.
    ///   - descriptors: numbers of open descriptors; the one at index i becomes descriptor i. At most 16.
    ///   - cgroup: number of a descriptor of the cgroup's directory, or nil to stay in the caller's.
    /// - Throws: `SystemError` with operation `clone3`, `dup2` or `execve`.
    public static func spawn(
        _ request: Request, descriptors: [Int32], cgroup: Int32?
    ) throws(SystemError) -> ProcessHandle {
        precondition(descriptors.count <= Int(CLS_SPAWN_MAX_FDS), "too many descriptors")
        let argv = CStringArray(request.arguments)
        let envp = CStringArray(request.environment)
        var result = cls_spawn_result()
        let code: Int32 = request.path.withCString { path in
            argv.pointers.withUnsafeBufferPointer { argv in
                envp.pointers.withUnsafeBufferPointer { envp in
                    descriptors.withUnsafeBufferPointer { fds in
                        guard let argv = argv.baseAddress, let envp = envp.baseAddress, let fds = fds.baseAddress else {
                            return -EINVAL
                        }
                        var raw = cls_spawn_request(
                            path: path, argv: argv, envp: envp, cgroup_fd: cgroup ?? -1,
                            keep_signals_blocked: request.newPIDNamespace ? 1 : 0,
                            new_pid_namespace: request.newPIDNamespace ? 1 : 0,
                            new_network_namespace: request.newNetworkNamespace ? 1 : 0,
                            fd_count: Int32(descriptors.count),
                            fds: fds)
                        return cls_spawn(&raw, &result)
                    }
                }
            }
        }
        guard code >= 0 else {
            let stage = result.stage.map { String(cString: $0) } ?? "mmap"
            throw SystemError(operation: stage, path: request.path, errno: -code)
        }
        return ProcessHandle(pid: result.pid, pidfd: OwnedDescriptor(adopting: result.pidfd))
    }
}

/// A null-terminated array of C strings that lives as long as this object.
private final class CStringArray {
    let pointers: [UnsafeMutablePointer<CChar>?]

    init(_ strings: [String]) {
        pointers = strings.map { strdup($0) } + [nil]
    }

    deinit { for pointer in pointers { free(pointer) } }
}
