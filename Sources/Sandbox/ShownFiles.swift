// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// What a plan shows of the host, as it was at one moment. A view that was made then goes on showing a file that was replaced
/// since, which one that is made now would not.
public struct ShownFiles: Sendable {
    private struct File: Sendable {
        let path: [CChar]
        let state: State
    }

    /// What tells one file from another of the same name; of a directory no more, because its contents are shown as they are.
    private struct State: Hashable, Sendable {
        var device: UInt64 = 0
        var inode: UInt64 = 0
        var bytes: Int64 = 0
        var seconds = 0
        var nanoseconds = 0
    }

    private let files: [File]

    /// Looks at the files of a plan.
    public init(_ plan: RunPlan) {
        var paths = plan.mounts.compactMap { mount -> String? in
            guard case .bind(let source, _, _) = mount else { return nil }
            return source
        }
        // Of a view in the host's network it is a copy.
        paths.append("/etc/hosts")
        files = paths.map { path in
            let path = Array(path.utf8CString)
            return File(path: path, state: Self.state(path))
        }
    }

    /// They are all the same still. A system call for each.
    public var areCurrent: Bool { files.allSatisfy { Self.state($0.path) == $0.state } }

    private static func state(_ path: [CChar]) -> State {
        var status = stat()
        guard stat(path, &status) == 0 else { return State() }
        var state = State(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        if status.st_mode & S_IFMT != S_IFDIR {
            state.bytes = Int64(status.st_size)
            state.seconds = status.st_mtim.tv_sec
            state.nanoseconds = status.st_mtim.tv_nsec
        }
        return state
    }
}
