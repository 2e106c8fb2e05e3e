// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

extension SandboxPlanner {
    /// Entries that an archive may have: each costs an inode, and a block of 512 bytes in the archive is enough for one.
    public static let maxArchiveEntries = 100_000

    /// From standard input, because of a file `tar` would take a compressed archive too, whose size says nothing about what
    /// comes out of it. An uncompressed one makes files no larger than itself.
    private static let unpackScript = "exec tar --extract --file=- --no-same-owner --no-same-permissions < /archive"

    private static let countScript = """
        count=$(tar --list --file=- < /archive 2> /dev/null | head -n \(maxArchiveEntries + 1) | wc -l) || exit 2
        if [ "$count" -gt \(maxArchiveEntries) ]; then
            echo "the bundle has more than \(maxArchiveEntries) files" >&2
            exit 1
        fi

        """

    /// Whether an archive of this size may have too many entries, each of which has a header of at least this size.
    static func mustBeCounted(archiveBytes: Int64) -> Bool {
        archiveBytes / 512 > maxArchiveEntries
    }

    /// A plan that unpacks a tar archive as the app's own user, in a view that shows nothing but programs, the archive
    /// and the destination.
    ///
    /// - Parameters:
    ///   - archive: the archive on the host, readable by the user.
    ///   - archiveBytes: its size.
    ///   - destination: an existing directory of the user on the host.
    ///   - userID: the app's uid and gid, in ``UserIDs/range``.
    /// - Throws: `SandboxError.invalidPlan` when the uid is not one of the apps'.
    public func unpackPlan(
        archive: String, archiveBytes: Int64, destination: String, userID: UInt32
    ) throws -> RunPlan {
        // Without owners and set-user-id bits from the archive; tar itself refuses '..' and strips a leading '/'.
        var plan = try toolPlan(
            hostname: "unpack",
            script: (Self.mustBeCounted(archiveBytes: archiveBytes) ? Self.countScript : "") + Self.unpackScript,
            profile: .strict, userID: userID,
            mounts: [
                .bind(source: archive, target: "/archive", options: [.readOnly, .noExecution]),
                .bind(source: destination, target: "/app", options: []),
            ])
        plan.workingDirectory = "/app"
        return plan
    }

    /// A plan that runs a shell script of ours on what is an app's, as the app's own user and confined as the app is: in a
    /// view that shows nothing but programs and the mounts.
    ///
    /// - Parameters:
    ///   - hostname: a name for it.
    ///   - script: for `sh -c`.
    ///   - profile: the strictest that the script's programs can do with.
    ///   - userID: the app's uid and gid, in ``UserIDs/range``.
    ///   - mounts: what it has beside programs, `/proc` and `/dev`.
    /// - Throws: `SandboxError`, with code `invalidPlan` when the uid is not one of the apps'.
    func toolPlan(
        hostname: String, script: String, profile: SandboxProfile, userID: UInt32, mounts: [Mount]
    ) throws -> RunPlan {
        guard UserIDs.range.contains(userID) else {
            throw SandboxError(.invalidPlan, "\(userID) is not one of the user ids for apps")
        }
        try checkLayers()
        var plan = RunPlan(argumentVector: ["sh", "-c", script], userID: userID, groupID: userID)
        plan.environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"]
        plan.namespaces = networks.modes.contains(.isolated) ? [.standard, .network] : .standard
        plan.hostname = hostname
        plan.resourceLimits = ResourceLimit.standard
        plan.mounts =
            systemMounts + mounts + [
                .processes(target: "/proc"),
                .devices(target: "/dev", sharedMemoryBytes: 1 << 20),
            ]
        confine(&plan, profile, port: nil)
        return plan
    }
}
