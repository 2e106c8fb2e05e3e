// SPDX-License-Identifier: Apache-2.0

import Cgroups
import FoundationEssentials
import Glibc
import LinuxSystem
import PaaSClient
import PaaSModel
import Sandbox
import Supervision

/// Brings bundles from the control plane and unpacks them, each in a sandbox as the app's own uid: a hostile archive
/// can do no more than the app itself.
struct BundleStore: BundleProvider {
    /// Time and memory that unpacking may take.
    private static let timeLimit = Duration.seconds(300)

    /// How long a control plane may be away before a start counts as failed.
    private static let patience = Duration.seconds(600)

    let client: PaaSClient
    let planner: SandboxPlanner
    let runner: OneOffRunner

    func unpack(bundle sha256: String, into directory: String, userID: UInt32) async throws {
        // A name of its own for every attempt, so that nothing of an interrupted one is in the way.
        let attempt = "\(directory).\(UInt32.random(in: .min ... .max))"
        let archive = attempt + ".tar"
        defer {
            unlink(archive)
            DirectoryTree.remove(attempt)
        }
        try await download(sha256, to: archive)
        guard chmod(archive, 0o444) == 0, mkdir(attempt, 0o755) == 0, chown(attempt, userID, userID) == 0 else {
            throw ProgramError("cannot prepare \(attempt): \(String(cString: strerror(errno)))")
        }
        var status = stat()
        guard stat(archive, &status) == 0 else {
            throw ProgramError("cannot look at \(archive): \(String(cString: strerror(errno)))")
        }
        let plan = try planner.unpackPlan(
            archive: archive, archiveBytes: Int64(status.st_size), destination: attempt, userID: userID)
        let result = try await runner.run(
            plan, app: "unpack", runID: "bundle-\(sha256.prefix(12))-\(UInt32.random(in: .min ... .max))",
            limits: CgroupLimits(), timeLimit: Self.timeLimit)
        if let failure = result.startFailure { throw ProgramError("unpacking could not start: \(failure)") }
        guard case .exited(code: 0) = result.outcome else {
            let lines = result.output.split(separator: "\n").suffix(3).joined(separator: "; ")
            throw ProgramError("unpacking failed: \(lines.isEmpty ? "\(String(describing: result.outcome))" : lines)")
        }
        // An agent that was there before, or comes after, may have been faster: a bundle's name says what is in it.
        guard rename(attempt, directory) == 0 || errno == ENOTEMPTY || errno == EEXIST else {
            throw ProgramError("cannot move \(attempt) to \(directory): \(String(cString: strerror(errno)))")
        }
    }

    /// Waits for a control plane that is away, as the assignments do: that is no failure of the app.
    private func download(_ sha256: String, to archive: String) async throws {
        var retry = Retry()
        let start = MonotonicInstant.now
        while true {
            do {
                return try await client.downloadBundle(sha256, to: archive, maxBytes: Defaults.maxBundleBytes)
            } catch let error as ClientError where error.isTransient {
                guard start.duration(to: .now) < Self.patience else { throw error }
                await retry.pause()
                try Task.checkCancellation()
            }
        }
    }
}
