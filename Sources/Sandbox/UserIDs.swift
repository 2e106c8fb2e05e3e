// SPDX-License-Identifier: Apache-2.0

/// User ids that the platform hands to apps: one per app, the same number as its group id.
///
/// Why this range: systemd.io/UIDS-GIDS gives 60001–65519 to systemd's own uses, 524288–1879048191 to containers and
/// 2147352576–2147418111 to foreign images, and lists what lies between the last two as unused; Debian's subordinate
/// ids begin at 100000 and grow by 65536 a user, which would take 28,000 users to get here. It ends below 2³¹, because
/// some programs keep a uid in a signed integer.
///
/// Which app has which id is the agent's to remember; a number is not used again while files of its owner exist.
public enum UserIDs {
    /// One million ids.
    public static let range: Range<UInt32> = 1_900_000_000..<1_901_000_000
}
