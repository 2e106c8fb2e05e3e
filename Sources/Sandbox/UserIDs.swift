// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem

/// User ids that the platform hands to apps: one per app, the same number as its group id.
///
/// Which app has which id is the agent's to remember; a number is not used again while files of its owner exist.
public enum UserIDs {
    /// What root hands out: one million ids.
    ///
    /// Why this range: systemd.io/UIDS-GIDS gives 60001–65519 to systemd's own uses, 524288–1879048191 to containers and
    /// 2147352576–2147418111 to foreign images, and lists what lies between the last two as unused; Debian's subordinate
    /// ids begin at 100000 and grow by 65536 a user, which would take 28,000 users to get here. It ends below 2³¹, because
    /// some programs keep a uid in a signed integer.
    static let ofRoot: Range<UInt32> = 1_900_000_000..<1_901_000_000

    /// What this process can hand out: `ofRoot`, or in a user namespace without these the largest range that it has
    /// beside its own root. Empty where there is none.
    public static let range = range(users: .ownUserIDs, groups: .ownGroupIDs)

    /// The ids are subordinate ones of the user who runs the agent, not the platform's own.
    public static var areSubordinate: Bool { range != ofRoot }

    static func range(users: IDMap, groups: IDMap) -> Range<UInt32> {
        if users.maps(ofRoot), groups.maps(ofRoot) { return ofRoot }
        let candidates = users.extents.map { extent in
            let end = UInt64(extent.inside) + UInt64(extent.count)
            return max(extent.inside, 1)..<max(UInt32(clamping: end), 1)
        }
        let usable = candidates.filter { !$0.isEmpty && groups.maps($0) }
        return usable.max { $0.count < $1.count } ?? 1..<1
    }
}
