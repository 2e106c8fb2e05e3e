// SPDX-License-Identifier: Apache-2.0

internal import CLinuxSupport

/// What the kernel offers of Landlock (landlock(7)).
public enum LandlockSupport {
    /// The highest ABI of this kernel. Failures: ENOSYS, built without it; EOPNOTSUPP, not switched on at boot.
    public static var abi: Result<Int, SystemError> {
        let result = cls_landlock_abi()
        if result >= 0 { return .success(Int(result)) }
        return .failure(SystemError(operation: "landlock_create_ruleset", errno: -result))
    }
}
