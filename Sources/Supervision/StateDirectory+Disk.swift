// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Glibc
internal import LinuxSystem

/// The image of an app's `/data`: `apps/<app>/disk`, root's alone. What is on its way has a suffix, as a plain `data` has
/// that is on its way out; a kill leaves such a one, and nothing half under the name itself.
extension StateDirectory {
    func disk(ofApp appID: String) -> String { app(appID) + "/disk" }

    /// Size of the image in bytes, and how much of it the node's own disk holds; nil without one.
    ///
    /// - Throws: `SystemError` when it cannot be told: that there is none must be certain, or a new one would take its place.
    func diskSize(ofApp appID: String) throws(SystemError) -> (bytes: Int64, allocatedBytes: Int64)? {
        var status = stat()
        let path = disk(ofApp: appID)
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return nil }
            throw SystemError(operation: "stat", path: path, errno: errno)
        }
        return (Int64(status.st_size), Int64(status.st_blocks) * 512)
    }

    /// Whether a plain `data` has any file.
    func hasData(ofApp appID: String) -> Bool {
        !((try? FileManager.default.contentsOfDirectory(atPath: data(ofApp: appID))) ?? []).isEmpty
    }

    /// Makes a file for an image, full of holes, that the app's user may write while it is made.
    ///
    /// - Returns: its path.
    /// - Throws: `SystemError`.
    func makeDiskAttempt(ofApp appID: String, bytes: Int64, userID: UInt32) throws(SystemError) -> String {
        let path = "\(disk(ofApp: appID)).\(UInt32.random(in: .min ... .max))"
        let file = try OwnedDescriptor.open(path, O_RDWR | O_CREAT | O_EXCL)
        guard ftruncate(file.rawValue, off_t(bytes)) == 0, fchown(file.rawValue, userID, userID) == 0 else {
            let error = SystemError(operation: "ftruncate", path: path, errno: errno)
            unlink(path)
            throw error
        }
        return path
    }

    /// Gives a finished image its name.
    ///
    /// - Parameter replacing: it takes the place of the one that there is; else there must be none.
    /// - Throws: `SystemError`; the attempt is then still there.
    func commitDisk(_ attempt: String, ofApp appID: String, replacing: Bool) throws(SystemError) {
        guard lchown(attempt, geteuid(), getegid()) == 0, chmod(attempt, 0o600) == 0 else {
            throw SystemError(operation: "chown", path: attempt, errno: errno)
        }
        let result = replacing ? rename(attempt, disk(ofApp: appID)) : link(attempt, disk(ofApp: appID))
        guard result == 0 else {
            throw SystemError(operation: replacing ? "rename" : "link", path: attempt, errno: errno)
        }
        let parent = try OwnedDescriptor.open(app(appID), O_RDONLY | O_DIRECTORY)
        guard fsync(parent.rawValue) == 0 else {
            throw SystemError(operation: "fsync", path: app(appID), errno: errno)
        }
    }

    /// Lets the app's user, who copies it, read the image, or nobody but root again. The directories above let no other
    /// app pass.
    func setDiskReadable(_ isReadable: Bool, ofApp appID: String, userID: UInt32) throws(SystemError) {
        let path = disk(ofApp: appID)
        let (group, mode): (gid_t, mode_t) = isReadable ? (userID, 0o640) : (getegid(), 0o600)
        guard lchown(path, geteuid(), group) == 0, chmod(path, mode) == 0 else {
            throw SystemError(operation: "chown", path: path, errno: errno)
        }
    }

    /// Takes a plain `data`, whose files are in the image, out of the way.
    ///
    /// - Returns: its new path, which is to be removed; nil when there is none.
    func retireData(ofApp appID: String) -> String? {
        let away = "\(data(ofApp: appID)).\(UInt32.random(in: .min ... .max))"
        return rename(data(ofApp: appID), away) == 0 ? away : nil
    }

    /// Paths of what earlier attempts have left, also of agents that were killed.
    ///
    /// - Parameter hasImage: a plain `data` is one, too: its files are in the image.
    func diskLeftovers(ofApp appID: String, hasImage: Bool) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: app(appID))) ?? [])
            .filter { $0.hasPrefix("disk.") || $0.hasPrefix("data.") || (hasImage && $0 == "data") }
            .map { app(appID) + "/" + $0 }
    }
}
