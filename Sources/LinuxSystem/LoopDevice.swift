// SPDX-License-Identifier: Apache-2.0

internal import CLinuxSupport

/// Files that are block devices (loop(4)).
public enum LoopDevice {
    /// Whether a loop device has the file: as long as a file system in it is mounted anywhere, one has.
    ///
    /// - Throws: `SystemError` when it cannot be told.
    public static func has(_ path: String) throws(SystemError) -> Bool {
        let answer = cls_has_loop_device(path)
        guard answer >= 0 else { throw SystemError(operation: "look for a loop device of", path: path, errno: -answer) }
        return answer == 1
    }
}
