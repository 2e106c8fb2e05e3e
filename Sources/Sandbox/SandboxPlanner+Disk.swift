// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

extension SandboxPlanner {
    /// No blocks are kept back, because root writes nothing there; nothing is zeroed that is zero, because the file is new.
    /// The root directory becomes what an app's directory of the host is: the app's, and empty, so without lost+found.
    private static let makeScript = """
        set -e
        mke2fs -q -F -t ext4 -m 0 -E "root_owner=$(id -u):$(id -g),assume_storage_prezeroed=1,nodiscard" $options /disk
        \(tidyScript)
        """

    private static let resizeScript = """
        set -e
        cp --sparse=always /present /disk
        e2fsck -f -p /disk || [ $? -eq 1 ]
        truncate -s ">$1K" /disk
        resize2fs /disk "$1K"
        truncate -s "$1K" /disk
        \(tidyScript)
        """

    private static let tidyScript = """
        printf 'rmdir lost+found\\nset_inode_field / mode 040700\\n' | debugfs -w -f - /disk >/dev/null
        sync /disk
        """

    /// A plan that makes an ext4 file system of a file's size in it.
    ///
    /// - Parameters:
    ///   - image: a new file of the user's on the host, of the size that the file system shall have.
    ///   - contents: a directory of the host whose files go into it; nil for none.
    ///   - userID: the app's uid and gid, in ``UserIDs/range``.
    /// - Throws: `SandboxError`.
    public func diskPlan(image: String, contents: String?, userID: UInt32) throws -> RunPlan {
        var mounts: [Mount] = [.bind(source: image, target: "/disk", options: .noExecution)]
        if let contents { mounts.append(.bind(source: contents, target: "/data", options: [.readOnly, .noExecution])) }
        // mke2fs copies extended attributes, which 'strict' does not allow.
        var plan = try toolPlan(
            hostname: "disk", script: Self.makeScript, profile: .standard, userID: userID, mounts: mounts)
        plan.environment["options"] = contents == nil ? "" : "-d /data"
        return plan
    }

    /// A plan that copies an image which is not mounted, and gives the copy another size.
    ///
    /// - Parameters:
    ///   - present: the image, readable by the user's group.
    ///   - image: a new, empty file of the user's on the host.
    ///   - sizeBytes: what the file system shall have, rounded down to KiB.
    ///   - userID: the app's uid and gid, in ``UserIDs/range``.
    /// - Throws: `SandboxError`.
    public func resizePlan(present: String, image: String, sizeBytes: Int64, userID: UInt32) throws -> RunPlan {
        var plan = try toolPlan(
            hostname: "disk", script: Self.resizeScript, profile: .strict, userID: userID,
            mounts: [
                .bind(source: present, target: "/present", options: [.readOnly, .noExecution]),
                .bind(source: image, target: "/disk", options: .noExecution),
            ])
        plan.argumentVector += ["resize", "\(sizeBytes >> 10)"]
        return plan
    }

    /// A plan that removes everything that a directory of the user's has, also from directories that nobody may write.
    ///
    /// - Parameters:
    ///   - directory: a directory of the host.
    ///   - userID: the app's uid and gid, in ``UserIDs/range``.
    /// - Throws: `SandboxError`.
    public func emptyingPlan(directory: String, userID: UInt32) throws -> RunPlan {
        try toolPlan(
            hostname: "disk", script: "chmod -R u+rwx /data; find /data -mindepth 1 -delete || :", profile: .strict,
            userID: userID,
            mounts: [.bind(source: directory, target: "/data", options: .noExecution)])
    }
}
