// SPDX-License-Identifier: Apache-2.0

/// How the machine has mounted its cgroups.
public enum CgroupMode: String, Hashable, Sendable {
    /// Only cgroup v2: every controller can be in its tree.
    case unified
    /// cgroup v2 beside v1: controllers that v1 holds are missing in v2, so limits may be impossible.
    case hybrid
}
