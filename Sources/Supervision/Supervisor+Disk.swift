// SPDX-License-Identifier: Apache-2.0

internal import Cgroups
internal import Glibc
internal import LinuxSystem
internal import Logging
internal import PaaSModel
internal import Sandbox

/// The images of apps whose `/data` has a limit. They are made and resized by programs in a sandbox, as the app's user and
/// away from this thread; mounted by `paas-init`, and by nobody else.
extension Supervisor {
    /// Time that making or copying an image may take.
    private static let diskTimeLimit = Duration.seconds(3_600)

    /// Where a run finds its files.
    ///
    /// - Throws: `SystemError` when it cannot be told whether there is an image.
    func directories(of assignment: Assignment, app: String) throws(SystemError) -> AppDirectories {
        let hasImage = try directory.diskSize(ofApp: assignment.appID) != nil
        let limit = assignment.spec.limits.diskBytes.map(DiskStep.rounded) ?? 0
        return AppDirectories(
            app: app, data: directory.data(ofApp: assignment.appID),
            disk: hasImage
                ? AppDirectories.Disk(image: directory.disk(ofApp: assignment.appID), growingTo: limit) : nil)
    }

    // MARK: Turns

    /// A start has to wait for its turn with the image, because there is something to do or being done.
    func needsDiskTurn(_ assignment: Assignment) -> Bool {
        let appID = assignment.appID
        do {
            if try diskTurns[appID] != nil || diskStep(for: assignment) != .nothing { return true }
            return try directory.diskSize(ofApp: appID) != nil
                && !directory.diskLeftovers(ofApp: appID, hasImage: true).isEmpty
        } catch {
            // In its turn the error becomes that of the start.
            return true
        }
    }

    /// Returns when nobody else is busy with the app's image. One at a time, and a start keeps its turn until its run is
    /// there for the next one to see, or is put off; then it looks again.
    func takeDiskTurn(ofApp appID: String) async {
        await withCheckedContinuation { turn in
            if diskTurns[appID] == nil {
                diskTurns[appID] = []
                turn.resume()
            } else {
                diskTurns[appID]?.append(turn)
            }
        }
    }

    /// Gives the turn to the next.
    func endDiskTurn(ofApp appID: String) {
        guard var waiting = diskTurns[appID] else { return }
        if waiting.isEmpty {
            diskTurns[appID] = nil
            return finishPurge(ofApp: appID)
        }
        let next = waiting.removeFirst()
        diskTurns[appID] = waiting
        next.resume()
    }

    // MARK: Work

    private func diskStep(for assignment: Assignment) throws(SystemError) -> DiskStep {
        let appID = assignment.appID
        return DiskStep(
            limit: assignment.spec.limits.diskBytes, image: try directory.diskSize(ofApp: appID)?.bytes,
            live: liveDiskLimits(ofApp: appID),
            mayShrink: instances[assignment.instanceID].map { !$0.everReady } ?? false,
            growsWhileMounted: dependencies.planner.disks.growsWhileMounted)
    }

    /// Of every run and command that has the app's `/data`. Looks at all of the node's: only for an app with a limit.
    private func liveDiskLimits(ofApp appID: String) -> [Int64?] {
        let runs = instances.values.compactMap { $0.run }.filter { $0.assignment.appID == appID }
        let commands = sessions.values.filter { $0.appID == appID && $0.ownsCgroup }
        return runs.map(\.assignment.spec.limits.diskBytes) + commands.map { _ in Int64?.none }
    }

    /// Makes the image, or gives it another size, where the release asks for that. To be called within a turn.
    ///
    /// - Returns: what was done, for the app's log; nil when nothing was to do.
    /// - Throws: `SandboxError` or `SupervisionError`, which say what to do, or `SystemError`. Everything is as it was then.
    func prepareDisk(of assignment: Assignment) async throws -> String? {
        let appID = assignment.appID
        let step = try diskStep(for: assignment)
        let hasImage = try directory.diskSize(ofApp: appID) != nil
        let userID = try users.userID(ofApp: appID)
        if step == .nothing {
            if hasImage { await removeLeftovers(ofApp: appID, userID: userID) }
            return nil
        }
        try dependencies.planner.checkDisk(of: assignment.spec, hasImage: hasImage)
        if let obstacle = dependencies.planner.disks.toolObstacle {
            throw SandboxError(.limitUnavailable, "the image of /data cannot be made or resized: \(obstacle)")
        }
        try directory.prepareData(ofApp: appID, userID: userID)
        for path in directory.diskLeftovers(ofApp: appID, hasImage: hasImage) {
            try await removeLeftover(path, userID: userID)
        }
        switch step {
        case .nothing: return nil
        case .refuse(let reason):
            throw SupervisionError(
                "\(reason); run 'paas stop \(assignment.app)' and deploy again with --disk", isPermanent: true)
        case .make(let bytes): return try await makeDisk(ofApp: appID, bytes: bytes, userID: userID)
        case .resize(let bytes): return try await resizeDisk(ofApp: appID, bytes: bytes, userID: userID)
        }
    }

    private func makeDisk(ofApp appID: String, bytes: Int64, userID: UInt32) async throws -> String {
        let contents = directory.hasData(ofApp: appID) ? directory.data(ofApp: appID) : nil
        let attempt = try directory.makeDiskAttempt(ofApp: appID, bytes: bytes, userID: userID)
        defer { unlink(attempt) }
        let plan = try dependencies.planner.diskPlan(image: attempt, contents: contents, userID: userID)
        let failure =
            contents == nil
            ? "the image of /data cannot be made"
            : "the files of /data do not go into an image of \(ByteCount(bytes: bytes)), and stay where they are; deploy "
                + "with a larger --disk"
        try await runDiskTool(plan, orElse: failure)
        try directory.commitDisk(attempt, ofApp: appID, replacing: false)
        if let retired = directory.retireData(ofApp: appID) { try await removeLeftover(retired, userID: userID) }
        let size = "/data is a file system of \(ByteCount(bytes: bytes)) now"
        return contents == nil ? size : size + ", with the files that were in it"
    }

    private func resizeDisk(ofApp appID: String, bytes: Int64, userID: UInt32) async throws -> String {
        let image = directory.disk(ofApp: appID)
        guard try !LoopDevice.has(image) else {
            throw SupervisionError("the image of /data is still mounted by what ran last", isPermanent: false)
        }
        try directory.setDiskReadable(true, ofApp: appID, userID: userID)
        defer { hideDisk(ofApp: appID, userID: userID) }
        let attempt = try directory.makeDiskAttempt(ofApp: appID, bytes: 0, userID: userID)
        defer { unlink(attempt) }
        let plan = try dependencies.planner.resizePlan(
            present: image, image: attempt, sizeBytes: bytes, userID: userID)
        try await runDiskTool(
            plan,
            orElse: "/data cannot be made \(ByteCount(bytes: bytes)) large, and stays as it is; deploy with a larger "
                + "--disk, or remove files from it")
        try directory.commitDisk(attempt, ofApp: appID, replacing: true)
        return "/data is a file system of \(ByteCount(bytes: bytes)) now"
    }

    private func hideDisk(ofApp appID: String, userID: UInt32) {
        // The next agent may be at work on it.
        guard !hasLeft else { return }
        do { try directory.setDiskReadable(false, ofApp: appID, userID: userID) } catch {
            dependencies.logger.error("an image stays readable for its app", metadata: ["error": "\(error)"])
        }
    }

    /// - Throws: what is given, with the tool's own last words, unless it exits with 0.
    private func runDiskTool(_ plan: RunPlan, orElse failure: String) async throws {
        let runner = OneOffRunner(loop: loop, cgroups: dependencies.cgroups, initPath: configuration.initPath)
        let result = try await runner.run(
            plan, app: "disk", runID: Self.makeRunID(), limits: CgroupLimits(), timeLimit: Self.diskTimeLimit)
        guard !hasLeft else { throw SupervisionError("another agent has taken over this node", isPermanent: false) }
        if let reason = result.startFailure {
            throw SupervisionError("the image of /data cannot be worked on: \(reason)", isPermanent: false)
        }
        let words = result.output.split(separator: "\n").suffix(2).joined(separator: "; ").prefix(300)
        let said = words.isEmpty ? "" : " (\(words))"
        switch result.outcome {
        case .exited(code: 0): return
        // The node's disk, not the image.
        case .exited where words.contains("No space left on device"):
            throw SupervisionError(
                "the node's disk has no room to work on the image of /data\(said)", isPermanent: false)
        case .exited: throw SupervisionError(failure + said, isPermanent: true)
        default:
            throw SupervisionError(
                "the work on the image of /data did not come to its end: killed, or longer than "
                    + "\(Self.diskTimeLimit.shortText)\(said)", isPermanent: false)
        }
    }

    private func removeLeftovers(ofApp appID: String, userID: UInt32) async {
        for path in directory.diskLeftovers(ofApp: appID, hasImage: true) {
            do { try await removeLeftover(path, userID: userID) } catch {
                dependencies.logger.warning(
                    "cannot remove what is left of an earlier /data",
                    metadata: ["path": "\(path)", "error": "\(error)"])
            }
        }
    }

    /// A directory is emptied by a program, because there may be many files.
    private func removeLeftover(_ path: String, userID: UInt32) async throws {
        if access(path + "/.", F_OK) == 0 {
            let plan = try dependencies.planner.emptyingPlan(directory: path, userID: userID)
            try await runDiskTool(plan, orElse: "\(path) cannot be emptied")
        }
        DirectoryTree.remove(path)
    }
}
