// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The limit of descriptors of this process (getrlimit(2), RLIMIT_NOFILE).
public enum OpenFileLimit {
    /// Raises the soft limit to the hard one. A supervisor holds a handful of descriptors for each run, and a dozen more
    /// while somebody watches; the usual soft limit of 1,024 would be reached with fifty apps.
    ///
    /// - Returns: the limit in force.
    @discardableResult
    public static func raise() -> UInt64 {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        let present = limit.rlim_cur
        limit.rlim_cur = limit.rlim_max
        return setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
            ? UInt64(limit.rlim_max) : UInt64(present)
    }
}
