// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem

/// Enables controllers from the nearest cgroup that exists down to the platform's root.
struct CgroupSetup {
    let discovery: CgroupDiscovery
    /// Controllers that could not be enabled, and why.
    private(set) var missing: [String: String] = [:]

    init(discovery: CgroupDiscovery) { self.discovery = discovery }

    /// - Returns: the controllers that cgroups below `root` can use, sorted.
    mutating func enable(_ wanted: [String], downTo root: String) throws -> [String] {
        let chain = chain(to: root)
        for path in chain { try CgroupTree.makeDirectory(path, mayExist: true) }
        var remaining = wanted
        for path in chain {
            let directory = try CgroupDirectory(path: path)
            let available = words(try directory.require("cgroup.controllers"))
            for controller in remaining where !available.contains(controller) {
                missing[controller] = reason(whyUnavailable: controller, in: path)
            }
            remaining.removeAll { !available.contains($0) }
            let enabled = words(try directory.require("cgroup.subtree_control"))
            let disabled = remaining.filter { !enabled.contains($0) }
            if !disabled.isEmpty { try leave(directory) }
            // One by one: a write that names a controller which cannot be enabled fails as a whole.
            for controller in disabled {
                if let reason = enable(controller, in: directory) { missing[controller] = reason }
            }
            remaining.removeAll { missing[$0] != nil }
        }
        return remaining.sorted()
    }

    /// The root, the cgroups above it that do not exist yet, and the one above those.
    private func chain(to root: String) -> [String] {
        var chain = [root]
        var path = root
        while path != discovery.mountPoint, let slash = path.lastIndex(of: "/") {
            path = String(path[..<slash])
            chain.insert(path, at: 0)
            if access(path, F_OK) == 0 { break }
        }
        return chain
    }

    /// No internal processes: a cgroup that has processes cannot enable controllers, except the machine's root, which
    /// is the one without `cgroup.type`.
    private func leave(_ directory: CgroupDirectory) throws {
        guard directory.path == discovery.ownDirectory, directory.has("cgroup.type") else { return }
        let leaf = directory.path + "/" + CgroupDiscovery.supervisorName
        try CgroupTree.makeDirectory(leaf, mayExist: true)
        try CgroupDirectory(path: leaf).write("cgroup.procs", String(getpid()))
    }

    /// Nil when it worked, else the reason.
    private func enable(_ controller: String, in directory: CgroupDirectory) -> String? {
        // EBUSY can be a process on its way out; a few attempts, without a pause, are enough for that.
        var attempts = 3
        while true {
            do {
                try directory.write("cgroup.subtree_control", "+" + controller)
                return nil
            } catch {
                attempts -= 1
                let cause = (error as? CgroupError)?.cause
                if cause?.errno == EBUSY, attempts > 0 { continue }
                return reason(cause, in: directory)
            }
        }
    }

    private func reason(_ cause: SystemError?, in directory: CgroupDirectory) -> String {
        switch cause?.errno {
        case EBUSY:
            let others = ((try? directory.processIDs()) ?? []).filter { $0 != getpid() }
            return
                "\(directory.path) has \(others.count) other processes; start the agent in a cgroup of its own, such as "
                + "systemd-run --scope -p Delegate=yes"
        case EACCES, EPERM, EROFS:
            return
                "\(directory.path)/cgroup.subtree_control may not be written; run the agent as root or in a delegated "
                + "cgroup (systemd: Delegate=yes)"
        default:
            return cause.map { "\($0)" } ?? "\(directory.path)/cgroup.subtree_control could not be written"
        }
    }

    private func reason(whyUnavailable controller: String, in path: String) -> String {
        let legacy = controller == "io" ? "blkio" : controller
        if let mountPoint = discovery.mounts.legacyMountPoint(of: legacy) {
            return
                "cgroup v1 holds it at \(mountPoint); boot with systemd.unified_cgroup_hierarchy=1, or without systemd "
                + "with cgroup_no_v1=all"
        }
        if path != discovery.mountPoint {
            return "the cgroup above \(path) does not pass it on; delegate it (systemd: Delegate=yes)"
        }
        return "the kernel does not offer it; boot with cgroup_enable=\(controller), or a kernel that has it"
    }

    private func words(_ text: String) -> Set<String> {
        Set(text.split(whereSeparator: \.isWhitespace).map(String.init))
    }
}
