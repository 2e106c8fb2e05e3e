// SPDX-License-Identifier: Apache-2.0

/// The hash FNV-1a in 64 bits: the same in every run, and no protection against anybody who wants two things to have the same.
public enum FNV1a {
    /// The hash of some bytes.
    public static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}
