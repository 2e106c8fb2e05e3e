// SPDX-License-Identifier: Apache-2.0

/// One piece of an app's view of the file system, made by `paas-init` in the plan's order.
///
/// Targets are absolute paths in the app's view, without `.`, `..` and double slashes. Whatever is mounted is `nosuid`
/// and `nodev` (but for the devices of ``devices(target:sharedMemoryBytes:)``).
public enum Mount: Hashable, Sendable {
    /// How a mount differs from a plain one.
    public struct Options: OptionSet, Hashable, Sendable {
        /// Bits of `paas_init_mount.flags`.
        public let rawValue: UInt32

        /// Creates options from the plan's bits.
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// Nothing in it can be changed.
        public static let readOnly = Options(rawValue: 1)
        /// Mounts below the source come with it.
        public static let recursive = Options(rawValue: 2)
        /// No file of it can be executed.
        public static let noExecution = Options(rawValue: 4)
        /// Left out when the source does not exist.
        public static let optional = Options(rawValue: 8)
        /// A file is the app's user's and not root's.
        public static let owned = Options(rawValue: 16)
    }

    /// A directory or file of the host; symbolic links in the source are followed.
    case bind(source: String, target: String, options: Options)
    /// A new, empty file system in memory, of a size in bytes; the app's cgroup is charged for what lies in it.
    case temporary(target: String, sizeBytes: UInt64, mode: UInt32, options: Options = [])
    /// A fresh `/proc` of the run's pid namespace, with what tells of the host masked.
    case processes(target: String)
    /// A minimal `/dev` with a `shm` of a size in bytes.
    case devices(target: String, sharedMemoryBytes: UInt64)
    /// A symbolic link.
    case symbolicLink(target: String, text: String)
    /// A small read-only file.
    case file(target: String, contents: String, mode: UInt32 = 0o444, options: Options = [])
    /// Nothing: an empty read-only directory over one that an earlier mount shows.
    case mask(target: String, options: Options = [])
    /// The ext4 file system in an image file of the host, grown to a size in bytes where it is smaller.
    case disk(image: String, target: String, growingTo: UInt64, options: Options = [])

    /// Where it appears.
    public var target: String {
        switch self {
        case .bind(_, let target, _), .temporary(let target, _, _, _), .processes(let target), .devices(let target, _),
            .symbolicLink(let target, _), .file(let target, _, _, _), .mask(let target, _), .disk(_, let target, _, _):
            target
        }
    }
}
