// SPDX-License-Identifier: Apache-2.0

internal import CLinuxSupport
internal import Glibc

/// An IPv4 address.
public struct IPv4Address: Hashable, Sendable {
    /// The four bytes in network byte order, as they lie in memory.
    let bytes: UInt32

    /// Reads `a.b.c.d`; nil for anything else (inet_pton(3)).
    public init?(_ text: String) {
        var address = in_addr()
        guard inet_pton(AF_INET, text, &address) == 1 else { return nil }
        bytes = address.s_addr
    }
}

/// Keeps the processes of a cgroup from sending anything but IPv4 packets to other machines: nothing to any address of
/// the host itself, link-local addresses and multicast. A BPF program on the cgroup, which stays with it.
public enum EgressFilter {
    /// Puts the filter on a cgroup v2.
    ///
    /// - Parameters:
    ///   - cgroup: number of a descriptor of its directory.
    ///   - resolver: where DNS may go in any case.
    /// - Throws: `SystemError` from bpf(2).
    public static func attach(toCgroup cgroup: Int32, allowing resolver: IPv4Address?) throws(SystemError) {
        try check(cls_filter_egress(cgroup, resolver?.bytes ?? 0))
    }

    /// Finds out whether the kernel takes the filter.
    ///
    /// - Throws: `SystemError` from bpf(2).
    public static func tryOut() throws(SystemError) { try check(cls_filter_egress(-1, 0)) }

    private static func check(_ result: Int32) throws(SystemError) {
        guard result >= 0 else { throw SystemError(operation: "bpf", errno: -result) }
    }
}
