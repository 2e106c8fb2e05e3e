// SPDX-License-Identifier: Apache-2.0

extension SandboxPlanner {
    /// A plan that unpacks a tar archive as the app's own user, in a view that shows nothing but programs, the archive
    /// and the destination.
    ///
    /// - Parameters:
    ///   - archive: the archive on the host, readable by the user.
    ///   - destination: an existing directory of the user on the host.
    /// - Throws: `SandboxError.invalidPlan` when the uid is not one of the apps'.
    public func unpackPlan(archive: String, destination: String, userID: UInt32) throws -> RunPlan {
        guard UserIDs.range.contains(userID) else {
            throw SandboxError(.invalidPlan, "\(userID) is not one of the user ids for apps")
        }
        // Without owners and set-user-id bits from the archive; tar itself refuses absolute names and '..'.
        var plan = RunPlan(
            argumentVector: ["tar", "--extract", "--file=/archive", "--no-same-owner", "--no-same-permissions"],
            userID: userID, groupID: userID, workingDirectory: "/app")
        plan.environment = ["PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"]
        plan.namespaces = .all
        plan.hostname = "unpack"
        plan.resourceLimits = ResourceLimit.standard
        plan.mounts =
            systemMounts + [
                .bind(source: archive, target: "/archive", options: [.readOnly, .noExecution]),
                .bind(source: destination, target: "/app", options: []),
                .processes(target: "/proc"),
                .devices(target: "/dev", sharedMemoryBytes: 1 << 20),
            ]
        return plan
    }
}
