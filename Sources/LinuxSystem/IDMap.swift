// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Which ids of a user namespace stand for which ids outside of it (user_namespaces(7)).
public struct IDMap: Hashable, Sendable {
    /// A line of `/proc/PID/uid_map`.
    public struct Extent: Hashable, Sendable {
        /// The first id in the namespace.
        public let inside: UInt32
        /// The first id outside: in the namespace of whoever reads the file, or in the parent of one's own.
        public let outside: UInt32
        /// How many.
        public let count: UInt32
    }

    /// In the order of the file.
    public let extents: [Extent]

    /// Reads the contents of a `uid_map` or `gid_map`; a line that is not one is skipped.
    public init(_ text: String) {
        extents = text.split(separator: "\n").compactMap { line in
            let numbers = line.split(separator: " ").compactMap { UInt32($0) }
            return numbers.count == 3 ? Extent(inside: numbers[0], outside: numbers[1], count: numbers[2]) : nil
        }
    }

    /// User ids of the namespace of a process; nil when there is no such process.
    public static func userIDs(ofProcess pid: Int32) -> IDMap? {
        ProcFS.text(of: "/proc/\(pid)/uid_map").map(IDMap.init)
    }

    /// Those of this process's own namespace.
    public static let ownUserIDs = IDMap(ProcFS.text(of: "/proc/self/uid_map") ?? "")
    /// The same for groups.
    public static let ownGroupIDs = IDMap(ProcFS.text(of: "/proc/self/gid_map") ?? "")

    /// Every id stands for something outside.
    public func maps(_ ids: Range<UInt32>) -> Bool {
        extents.contains { extent in
            ids.lowerBound >= extent.inside
                && UInt64(ids.upperBound) <= UInt64(extent.inside) + UInt64(extent.count)
        }
    }
}
