// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem

/// The part of the cgroup tree that belongs to the platform: `<root>/paas-<app>.slice/<run>`.
public struct CgroupTree: Sendable {
    /// How the machine has mounted its cgroups.
    public let mode: CgroupMode
    /// Directory below which every app's slice lies.
    public let root: String
    /// Controllers that limits of apps can use, sorted.
    public let controllers: [String]
    /// Controllers that limits would need and that are not there, each with the reason and what to do.
    public let missing: [String: String]

    /// What all apps together may use, so that the agent never goes short; see ``NodeReserve``.
    public private(set) var ceilings = NodeCeilings()
    /// Where the v2 tree is mounted.
    var mountPoint = "/sys/fs/cgroup"

    /// Controllers that limits and reports use.
    static let wanted = [CPUController.name, "io", MemoryController.name, PidsController.name]

    /// Takes possession: makes the root, moves this process out of the way where the kernel wants that, and enables
    /// controllers down to the apps' slices. Doing it again is harmless.
    ///
    /// A controller that cannot be enabled is no error here; it is in ``missing``, and a run that needs it is refused.
    ///
    /// - Parameters:
    ///   - root: absolute path below a cgroup v2 mount; nil for a `paas.slice` beside this process.
    ///   - reserve: what is kept from apps; nil keeps nothing.
    /// - Throws: `CgroupError` when there is no cgroup v2, or the root cannot be made.
    public static func prepare(root: String? = nil, reserve: NodeReserve? = nil) throws -> CgroupTree {
        try prepare(root: root, reserve: reserve, discovery: .current())
    }

    static func prepare(root: String?, reserve: NodeReserve? = nil, discovery: CgroupDiscovery) throws -> CgroupTree {
        let root = root ?? discovery.defaultRoot
        let isBelow = root.hasPrefix(discovery.mountPoint + "/") && !root.split(separator: "/").contains("..")
        guard isBelow, !root.hasSuffix("/") else {
            throw CgroupError(
                .invalidName,
                "\(root) is not below the cgroup v2 tree at \(discovery.mountPoint); give --cgroup-root a path there")
        }
        var setup = CgroupSetup(discovery: discovery)
        let enabled = try setup.enable(wanted, downTo: root)
        var tree = CgroupTree(mode: discovery.mode, root: root, controllers: enabled, missing: setup.missing)
        tree.mountPoint = discovery.mountPoint
        if let reserve {
            tree.ceilings = try NodeCeilings.putInForce(
                reserve, on: CgroupDirectory(path: root), missing: setup.missing)
        }
        return tree
    }

    /// Makes the cgroup of a run, with its limits in force.
    ///
    /// - Parameters:
    ///   - app: the app's name.
    ///   - run: a name that was never used before; letters, digits, `-` and `_`.
    ///   - limits: what to enforce.
    /// - Throws: `CgroupError` with code `controllerMissing` when a limit cannot be enforced here. Nothing is left
    ///   behind then.
    public func makeRun(app: String, run: String, limits: CgroupLimits) throws -> RunCgroup {
        try check(limits)
        let slice = try slicePath(of: app)
        try Self.checkName(run)
        try Self.makeDirectory(slice, mayExist: true)
        let sliceDirectory = try CgroupDirectory(path: slice)
        for controller in controllers { try sliceDirectory.write("cgroup.subtree_control", "+" + controller) }
        try limits.applyWeights(to: sliceDirectory)
        let path = slice + "/" + run
        try Self.makeDirectory(path, mayExist: false)
        do {
            let cgroup = try RunCgroup(path: path)
            try limits.apply(to: CgroupDirectory(path: path), disks: Disk.all())
            return cgroup
        } catch {
            rmdir(path)
            throw error
        }
    }

    /// Gives a run that lives other limits. Lowering memory below what is in use reclaims first, and where that is not
    /// enough the kernel ends the run.
    ///
    /// - Parameters:
    ///   - run: a run that has not been removed.
    ///   - app: the app's name.
    ///   - present: the limits in force, which are put back when one of the new ones cannot be had.
    ///   - limits: those to put in force.
    /// - Throws: `CgroupError` with code `controllerMissing` when a limit cannot be enforced here.
    public func change(
        _ run: RunCgroup, app: String, from present: CgroupLimits, to limits: CgroupLimits
    ) throws {
        try check(limits)
        let (slice, directory) = (try CgroupDirectory(path: slicePath(of: app)), try CgroupDirectory(path: run.path))
        let disks = Disk.all()
        do {
            try limits.apply(to: directory, replacing: true, disks: disks)
            try limits.applyWeights(to: slice)
        } catch {
            // What fails here, too, is what the kernel has just refused; the first error says more.
            try? present.apply(to: directory, replacing: true, disks: disks)
            try? present.applyWeights(to: slice)
            throw error
        }
    }

    /// Paths of the runs that exist, whoever made them: an agent that starts adopts them or cleans them up.
    public func existingRuns() throws -> [String] {
        try slices().flatMap { slice in try CgroupDirectory(path: slice).children().map { "\(slice)/\($0)" } }
    }

    /// Removes the slices of apps that have no run: an agent that died at the wrong moment leaves one behind.
    public func removeEmptySlices() throws {
        // One that has a run, or gets one just now, is EBUSY.
        for slice in try slices() { rmdir(slice) }
    }

    private func slices() throws -> [String] {
        try CgroupDirectory(path: root).children()
            .filter { $0.hasPrefix("paas-") && $0.hasSuffix(".slice") }.map { root + "/" + $0 }
    }

    /// Removes an app's slice when no run is left in it.
    ///
    /// - Returns: false when there still is one.
    @discardableResult
    public func removeSlice(app: String) throws -> Bool {
        let slice = try slicePath(of: app)
        if rmdir(slice) == 0 || errno == ENOENT { return true }
        if errno == EBUSY || errno == ENOTEMPTY { return false }
        throw CgroupError(
            .operationFailed, "the app's slice cannot be removed",
            cause: SystemError(operation: "rmdir", path: slice, errno: errno))
    }

    /// What was found, in lines for the start of a log.
    public var summary: [String] {
        let found = controllers.isEmpty ? "none" : controllers.joined(separator: ", ")
        return ["cgroups: \(mode.rawValue), root \(root), controllers for limits: \(found)"] + ceilings.summary
            + missing.sorted { $0.key < $1.key }.map { "cgroup controller '\($0.key)' is missing: \($0.value)" }
    }

    /// `<root>/paas-<app>.slice`: the prefix keeps names of apps apart from the kernel's files.
    private func slicePath(of app: String) throws -> String {
        try Self.checkName(app)
        return "\(root)/paas-\(app).slice"
    }

    private func check(_ limits: CgroupLimits) throws {
        for (controller, option) in limits.needed {
            guard let reason = obstacle(to: controller) else { continue }
            throw CgroupError(
                .controllerMissing,
                "the limit \(option) needs the cgroup controller '\(controller)', which this node lacks (\(reason)); "
                    + "deploy with '\(option) none', or mend that")
        }
        if limits.ioWeight != nil, let reason = ioWeightObstacle {
            throw CgroupError(
                .controllerMissing,
                "the limit --io-weight has no effect on this node: \(reason); deploy with '--io-weight none', or mend that"
            )
        }
        if limits.io != IORates(), Disk.all().isEmpty {
            throw CgroupError(
                .controllerMissing,
                "this node has no disk to limit (nothing in /sys/block); deploy with 'none' for \(limits.io.option)")
        }
    }

    /// Why limits of a controller cannot be enforced here; nil when they can.
    private func obstacle(to controller: String) -> String? {
        controllers.contains(controller) ? nil : missing[controller] ?? "it is not enabled"
    }

    private var ioWeightObstacle: String? {
        IOController.weightObstacle(qos: ProcFS.text(of: mountPoint + "/io.cost.qos"))
    }

    /// Each limit by its option, `memory`, and why it cannot be enforced here; nil when it can.
    public var obstacles: [(option: String, reason: String?)] {
        let io = obstacle(to: IOController.name) ?? (Disk.all().isEmpty ? "there is no disk" : nil)
        return [
            ("memory", obstacle(to: MemoryController.name)), ("cpu", obstacle(to: CPUController.name)),
            ("pids", obstacle(to: PidsController.name)), ("io-max", io),
            ("io-weight", obstacle(to: IOController.name) ?? ioWeightObstacle),
        ]
    }

    /// No dot, so no file of the kernel (`memory.max`) can have that name; no slash, so it stays where it belongs.
    private static func checkName(_ name: String) throws {
        let allowed = name.utf8.allSatisfy {
            (0x61...0x7A).contains($0) || (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D
                || $0 == 0x5F
        }
        guard allowed, (1...200).contains(name.utf8.count) else {
            throw CgroupError(.invalidName, "'\(name.prefix(80))' cannot be the name of a cgroup")
        }
    }

    static func makeDirectory(_ path: String, mayExist: Bool) throws {
        if mkdir(path, 0o755) == 0 || (mayExist && errno == EEXIST) { return }
        let hint =
            errno == EACCES || errno == EPERM || errno == EROFS
            ? "run the agent as root or in a delegated cgroup (systemd: Delegate=yes)" : nil
        throw CgroupError(
            .operationFailed, "the cgroup cannot be made",
            cause: SystemError(operation: "mkdir", path: path, errno: errno, hint: hint))
    }
}
