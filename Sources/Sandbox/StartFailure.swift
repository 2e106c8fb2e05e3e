// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem

/// What `paas-init` wrote to the error pipe: an app could not be started.
public struct StartFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// The step that failed.
    public let stage: StartStage
    /// The system's reason, errno(3); 0 without one.
    public let errno: Int32
    /// What the step was applied to: a path, a program; may be empty.
    public let detail: String

    /// Bytes of one message, and the least a reader has to have room for.
    public static let byteCount = 256
    private static let magic: UInt32 = 0x5245_5050

    /// Creates a failure.
    public init(stage: StartStage, errno: Int32, detail: String) {
        self.stage = stage
        self.errno = errno
        self.detail = detail
    }

    /// Reads everything that came through the error pipe until its end.
    ///
    /// - Throws: `SandboxError` with code `malformedMessage` unless it is exactly one message.
    public init(bytes: [UInt8]) throws {
        var reader = RecordReader(bytes)
        guard bytes.count == Self.byteCount, reader.next(UInt32.self) == Self.magic else {
            throw SandboxError(
                .malformedMessage,
                "paas-init sent \(bytes.count) bytes that are not a start error; are agent and paas-init of one build?")
        }
        self.stage = StartStage(rawValue: reader.next(UInt32.self))
        self.errno = reader.next(Int32.self)
        self.detail = String(decoding: bytes[12...].prefix { $0 != 0 }, as: UTF8.self)
    }

    /// Starting the same release again cannot help: its command is wrong, not the moment.
    public var isPermanent: Bool {
        guard stage == .exec || stage == .appDirectory else { return stage == .planInvalid }
        return [ENOENT, EACCES, ENOEXEC, ENOTDIR, EISDIR, ELOOP, ENAMETOOLONG, E2BIG, EPERM, EINVAL, ELIBBAD]
            .contains(errno)
    }

    /// One sentence that says what failed, and what to do where that is known.
    public var description: String {
        switch (stage, errno) {
        case (.exec, ENOENT) where detail.contains("/"):
            "command not found: '\(detail)' does not exist in the app's view (or the program in its #! line does not); "
                + "check the command and what is in the bundle"
        case (.exec, ENOENT):
            "command not found: '\(detail)' is in no directory of PATH; check the command, or install the program on "
                + "the node"
        case (.exec, EACCES):
            "'\(detail)' may not be executed; make it executable (chmod +x) and deploy again"
        case (.exec, ENOEXEC):
            "'\(detail)' is not a program for this machine; a script needs a first line such as #!/bin/sh"
        case (.exec, E2BIG):
            "the command and environment are larger than the kernel allows"
        case (.fork, EAGAIN):
            "no process could be created for the app: a limit of processes is reached"
        case (.mountDisk, ENOENT), (.mountDisk, ENODEV):
            "/data could not be mounted\(subject)\(reason); load what the kernel lacks with 'modprobe -a loop ext4', and see "
                + "what 'paas doctor' says of --disk"
        case (.mountDisk, EPERM):
            "/data could not be mounted\(subject)\(reason); the agent needs loop devices, and CAP_SYS_RESOURCE to let /data "
                + "grow while it is in use"
        case (.mountDisk, EBUSY):
            "/data could not be mounted\(subject)\(reason); another run has it, and it became read-only there after an error: "
                + "stop the app and have 'e2fsck -f' look at the image on the node"
        case (.mountDisk, EUCLEAN), (.mountDisk, EINVAL), (.mountDisk, EROFS):
            "/data could not be mounted\(subject)\(reason); its file system may be damaged: stop the app and have 'e2fsck -f' "
                + "look at the image on the node"
        case (.mountDisk, _):
            "/data could not be mounted\(subject)\(reason)"
        default:
            "the app could not be started: \(stage.activity) failed\(subject)\(reason)"
        }
    }

    private var subject: String { detail.isEmpty ? "" : " for \(detail)" }

    private var reason: String {
        errno == 0 ? "" : ": \(SystemError(operation: "paas-init", errno: errno).reasonText)"
    }
}

extension SystemError {
    /// The reason without the operation: `No such file or directory (ENOENT)`.
    fileprivate var reasonText: String { String(description.dropFirst("\(operation): ".count)) }
}
