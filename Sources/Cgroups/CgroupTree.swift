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

    /// Controllers that limits and reports use.
    static let wanted = [CPUController.name, "io", MemoryController.name, PidsController.name]

    /// Takes possession: makes the root, moves this process out of the way where the kernel wants that, and enables
    /// controllers down to the apps' slices. Doing it again is harmless.
    ///
    /// A controller that cannot be enabled is no error here; it is in ``missing``, and a run that needs it is refused.
    ///
    /// - Parameter root: absolute path below a cgroup v2 mount; nil for a `paas.slice` beside this process.
    /// - Throws: `CgroupError` when there is no cgroup v2, or the root cannot be made.
    public static func prepare(root: String? = nil) throws -> CgroupTree {
        try prepare(root: root, discovery: .current())
    }

    static func prepare(root: String?, discovery: CgroupDiscovery) throws -> CgroupTree {
        let root = root ?? discovery.defaultRoot
        let isBelow = root.hasPrefix(discovery.mountPoint + "/") && !root.split(separator: "/").contains("..")
        guard isBelow, !root.hasSuffix("/") else {
            throw CgroupError(
                .invalidName,
                "\(root) is not below the cgroup v2 tree at \(discovery.mountPoint); give --cgroup-root a path there")
        }
        var setup = CgroupSetup(discovery: discovery)
        let enabled = try setup.enable(wanted, downTo: root)
        return CgroupTree(mode: discovery.mode, root: root, controllers: enabled, missing: setup.missing)
    }

    /// Makes the cgroup of a run, with its limits in force.
    ///
    /// - Parameters:
    ///   - app: the app's name.
    ///   - run: a name that was never used before; letters, digits, `-` and `_`.
    /// - Throws: `CgroupError` with code `controllerMissing` when a limit cannot be enforced here. Nothing is left
    ///   behind then.
    public func makeRun(app: String, run: String, limits: CgroupLimits) throws -> RunCgroup {
        try check(limits)
        let slice = try slicePath(of: app)
        try Self.checkName(run)
        try Self.makeDirectory(slice, mayExist: true)
        let sliceDirectory = try CgroupDirectory(path: slice)
        for controller in controllers { try sliceDirectory.write("cgroup.subtree_control", "+" + controller) }
        let path = slice + "/" + run
        try Self.makeDirectory(path, mayExist: false)
        do {
            let cgroup = try RunCgroup(path: path)
            try limits.apply(to: CgroupDirectory(path: path))
            return cgroup
        } catch {
            rmdir(path)
            throw error
        }
    }

    /// Paths of the runs that exist, whoever made them: an agent that starts adopts them or cleans them up.
    public func existingRuns() throws -> [String] {
        let slices = try CgroupDirectory(path: root).children().filter {
            $0.hasPrefix("paas-") && $0.hasSuffix(".slice")
        }
        return try slices.flatMap { slice in
            try CgroupDirectory(path: root + "/" + slice).children().map { "\(root)/\(slice)/\($0)" }
        }
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
        return ["cgroups: \(mode.rawValue), root \(root), controllers for limits: \(found)"]
            + missing.sorted { $0.key < $1.key }.map { "cgroup controller '\($0.key)' is missing: \($0.value)" }
    }

    /// `<root>/paas-<app>.slice`: the prefix keeps names of apps apart from the kernel's files.
    private func slicePath(of app: String) throws -> String {
        try Self.checkName(app)
        return "\(root)/paas-\(app).slice"
    }

    private func check(_ limits: CgroupLimits) throws {
        for (controller, option) in limits.needed where !controllers.contains(controller) {
            throw CgroupError(
                .controllerMissing,
                "the limit \(option) needs the cgroup controller '\(controller)', which this node lacks ("
                    + (missing[controller] ?? "it is not enabled") + "); deploy without \(option), or mend that")
        }
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

extension CgroupLimits {
    /// Controllers that these limits need, with the option that asks for each.
    var needed: [(controller: String, option: String)] {
        [
            (MemoryController.name, memoryBytes != nil, "--memory"), (CPUController.name, cpuCores != nil, "--cpu"),
            (PidsController.name, processes != nil, "--pids"),
        ].compactMap { $0.1 ? ($0.0, $0.2) : nil }
    }

    func apply(to cgroup: CgroupDirectory) throws {
        try MemoryController.groupOutOfMemoryKills(in: cgroup)
        if let memoryBytes { try MemoryController.apply(bytes: memoryBytes, to: cgroup) }
        if let cpuCores { try CPUController.apply(cores: cpuCores, to: cgroup) }
        if let processes { try PidsController.apply(processes: processes, to: cgroup) }
    }
}
