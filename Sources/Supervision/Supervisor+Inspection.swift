// SPDX-License-Identifier: Apache-2.0

internal import AppLogs
internal import Cgroups
internal import Glibc
internal import LinuxSystem
public import PaaSModel
internal import Sandbox

extension Supervisor {
    /// What is in force for each instance of an app, read from the kernel now; by slot.
    public func inspect(appID: String) -> [InstanceInspection] {
        let node = SandboxProbe.layers()
        return instances.values.filter { $0.assignment.appID == appID }
            .sorted { ($0.assignment.slot, $0.id) < ($1.assignment.slot, $1.id) }
            .map { inspect($0, node: node) }
    }

    private func inspect(_ instance: ManagedInstance, node: [SandboxLayer]) -> InstanceInspection {
        let spec = instance.assignment.spec
        var found = InstanceInspection(
            id: instance.id, name: instance.assignment.slot, release: instance.assignment.release,
            state: instance.machine.state, sandbox: spec.sandbox)
        found.lastExit = instance.lastExit
        found.log = logWriter(of: instance.assignment)?.inspection
        found.disk = (try? directory.diskSize(ofApp: instance.assignment.appID)).map {
            DiskInspection(sizeBytes: $0.bytes, allocatedBytes: $0.allocatedBytes)
        }
        guard let run = instance.run else { return found }
        found.port = Int(run.record.port)
        found.cgroup = run.record.cgroup
        found.blockedCalls = Self.blockedCalls(instance.denials)
        found.cgroupLimits = Self.cgroupLimits(run.record.cgroup)
        guard let pid = run.record.appPID, let process = ProcessConfinement(of: pid) else { return found }
        found.pid = pid
        found.userID = process.userID
        found.resourceLimits = process.resourceLimits
        found.layers = LayersInForce.of(
            process, profile: spec.sandbox, showsDenials: !instance.denials.isUnseen, node: node)
        found.portOwner = portOwner(run, pid: pid)
        if found.disk != nil, let space = Self.space(at: "/proc/\(pid)/root/data") {
            found.disk?.usedBytes = space.used
            found.disk?.freeBytes = space.free
        }
        return found
    }

    /// Who listens on the port in the network that the app sees.
    private func portOwner(_ run: Run, pid: Int32) -> InstanceInspection.PortOwner? {
        guard let holder = TCPSockets.listening(ofProcess: pid).holder(ofPort: run.record.port) else { return nil }
        let own = (try? run.cgroup.processIDs()) ?? []
        return InstanceInspection.PortOwner(
            pid: holder.pid, name: holder.name, ownInstance: own.contains(holder.pid))
    }

    /// What files take of a file system, and what they may still take (statvfs(3)).
    private static func space(at path: String) -> (used: Int64, free: Int64)? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        let block = Int64(status.f_frsize)
        return (Int64(status.f_blocks - status.f_bfree) * block, Int64(status.f_bavail) * block)
    }

    /// The kernel's own words; a file that is not there belongs to a controller that this machine does not have.
    private static func cgroupLimits(_ path: String) -> [String: String] {
        var limits: [String: String] = [:]
        for name in ["memory.max", "memory.high", "memory.swap.max", "cpu.max", "cpu.weight", "pids.max", "io.max"] {
            guard let text = ProcFS.text(of: "\(path)/\(name)") else { continue }
            limits[name] = text.split(separator: "\n").joined(separator: "; ")
        }
        return limits
    }
}
