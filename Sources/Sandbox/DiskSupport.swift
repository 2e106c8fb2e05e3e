// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem
internal import PaaSModel

/// Whether this node can limit the size of `/data`, by an ext4 file system in an image file of its own for each app.
public struct DiskSupport: Hashable, Sendable {
    /// What it depends on; tests make their own.
    struct Facts: Sendable {
        /// The agent is root of a user namespace only.
        var isRootless = UserIDs.areSubordinate
        /// `/proc/self/status`.
        var processStatus = ProcFS.text(of: "/proc/self/status") ?? ""
        /// `/proc/filesystems`.
        var fileSystems = ProcFS.text(of: "/proc/filesystems") ?? ""
        /// Errno of opening `/dev/loop-control`, 0 for none.
        var loopControl = access("/dev/loop-control", R_OK | W_OK) == 0 ? 0 : errno
        /// Whether a program is installed.
        var hasProgram: @Sendable (String) -> Bool = { name in
            Self.directories.contains { access("\($0)/\(name)", X_OK) == 0 }
        }

        private static let directories = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
    }

    /// Why no image can be mounted here, and what would change that; nil when it can.
    public let mountObstacle: String?
    /// Why none can be made or resized here, and what would change that; nil when it can.
    public let toolObstacle: String?
    /// A file system can grow while it is mounted.
    public let growsWhileMounted: Bool

    /// Why an app cannot get a `/data` with a limit, and what would change that; nil when it can.
    public var obstacle: String? { mountObstacle ?? toolObstacle }

    /// Programs of the Debian package `e2fsprogs`.
    static let programs = ["mke2fs", "debugfs", "e2fsck", "resize2fs"]

    /// Finds out what this node can do. Starts nothing.
    public static func current() -> DiskSupport { DiskSupport(Facts()) }

    init(_ facts: Facts) {
        mountObstacle = Self.mountObstacle(facts)
        let missing = Self.programs.first { !facts.hasProgram($0) }
        toolObstacle = missing.map {
            "\($0) is not installed; install it with 'apt-get install e2fsprogs' and restart the agent"
        }
        growsWhileMounted = SandboxProbe.has(.sysResource, inStatus: facts.processStatus)
    }

    private static func mountObstacle(_ facts: Facts) -> String? {
        if facts.isRootless {
            return "the agent is root of a user namespace only, and the kernel mounts images for the machine's root "
                + "alone; run the agent as root of the machine"
        }
        guard SandboxProbe.has(.sysAdmin, inStatus: facts.processStatus) else {
            return "the agent lacks CAP_SYS_ADMIN; run it as root with that capability"
        }
        switch facts.loopControl {
        case 0: break
        case EPERM, EACCES:
            return "the agent may not use /dev/loop-control; allow it and the loop devices (systemd: DeviceAllow=) and "
                + "restart the agent"
        default:
            return "there is no /dev/loop-control; load the kernel module with 'modprobe loop' and restart the agent"
        }
        guard facts.fileSystems.split(whereSeparator: \.isWhitespace).contains("ext4") else {
            return "the kernel has no ext4; load it with 'modprobe ext4' and restart the agent"
        }
        return nil
    }

    /// - Parameter hasImage: the app's `/data` is in an image already.
    /// - Throws: `SandboxError` with code `limitUnavailable` when a release cannot have its `/data` here.
    func check(_ spec: ReleaseSpec, hasImage: Bool) throws {
        guard hasImage || spec.limits.diskBytes != nil else { return }
        let kept = hasImage ? "this app's /data is in an image since an earlier deploy with --disk" : "--disk"
        if spec.sandbox == .off {
            throw SandboxError(
                .limitUnavailable,
                hasImage
                    ? "\(kept), and --sandbox off has no view in which to show it; deploy with --sandbox standard"
                    : "--disk needs a view of the app's own, which --sandbox off does not have; deploy with --sandbox "
                        + "standard, or without --disk")
        }
        if let reason = hasImage ? mountObstacle : obstacle {
            throw SandboxError(
                .limitUnavailable,
                hasImage
                    ? "\(kept), which this node cannot mount now: \(reason)"
                    : "this node cannot limit the size of /data: \(reason); or deploy without --disk")
        }
    }
}
