// SPDX-License-Identifier: Apache-2.0

/// Numbers of `paas_init_protocol.h`; Tests/SandboxTests runs the real `paas-init` on what is written with them.
enum PlanFormat {
    static let magic: UInt32 = 0x4E4C_5050
    static let version: UInt32 = 8
    static let headerBytes = 96
    static let lingerFlag: UInt32 = 1
    static let terminalFlag: UInt32 = 2
    static let joinFlag: UInt32 = 4
    static let waitFlag: UInt32 = 8
    static let maxArguments = 65_536
    static let maxVariables = 65_536
    static let maxResourceLimits = 16
    static let maxFilterInstructions = 4_096
    static let denialPauses = Duration.milliseconds(1)...Duration.seconds(3_600)
}

extension RunPlan {
    /// The plan as `paas-init` reads it.
    ///
    /// - Throws: `SandboxError` with code `invalidPlan` when `paas-init` would refuse it: a NUL byte in a string, a
    ///   path that is not absolute, root's ids, or more than 1 MiB in all.
    public func encoded() throws -> [UInt8] {
        try check()
        var writer = PlanWriter()
        try writer.append(hostname, as: "the host name")
        try writer.append(workingDirectory, as: "the working directory")
        for argument in argumentVector { try writer.append(argument, as: "an argument") }
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) {
            try writer.append("\(name)=\(value)", as: "the environment variable \(name.prefix(80))")
        }
        for limit in resourceLimits {
            writer.append(limit.resource.rawValue)
            writer.append(UInt32(0))
            writer.append(limit.soft)
            writer.append(limit.hard)
        }
        for mount in mounts { try writer.append(mount) }
        writer.bytes += systemCallFilter?.program ?? []
        if let landlock { try writer.append(landlock) }
        let size = PlanFormat.headerBytes + writer.bytes.count
        guard size <= Self.maxBytes else {
            throw SandboxError(
                .invalidPlan,
                "the command and environment are too large: together the plan is \(size) bytes, over 1 MiB")
        }
        return header(size: size) + writer.bytes
    }

    private func header(size: Int) -> [UInt8] {
        var writer = PlanWriter()
        for word in [PlanFormat.magic, PlanFormat.version, UInt32(size), namespaces.rawValue, userID, groupID] {
            writer.append(word)
        }
        writer.append(UInt32(bitPattern: outOfMemoryScoreAdjustment))
        for count in [
            argumentVector.count, environment.count, resourceLimits.count, mounts.count,
            systemCallFilter?.instructionCount ?? 0,
        ] {
            writer.append(UInt32(count))
        }
        writer.append(landlock?.handledFiles.rawValue ?? 0)
        writer.append(landlock?.handledPortRights ?? 0)
        writer.append(landlock?.scopes ?? 0)
        writer.append(UInt32(landlock?.paths.count ?? 0))
        writer.append(UInt32(landlock?.handlesBind == true ? 1 : 0))
        writer.append(UInt32(connectorPort ?? 0))
        writer.append(UInt32(awaitsEgress ? 1 : 0))
        writer.append(
            (lingers ? PlanFormat.lingerFlag : 0) | (hasTerminal ? PlanFormat.terminalFlag : 0)
                | (joins ? PlanFormat.joinFlag : 0) | (waits ? PlanFormat.waitFlag : 0))
        writer.append(UInt32((denialPause ?? .zero) / .milliseconds(1)))
        return writer.bytes
    }

    private func check() throws {
        func refuse(_ condition: Bool, _ why: String) throws {
            if condition { throw SandboxError(.invalidPlan, why) }
        }
        try refuse(argumentVector.first?.isEmpty ?? true, "the command is empty")
        try refuse(argumentVector.count > PlanFormat.maxArguments, "the command has over 65536 words")
        try refuse(environment.count > PlanFormat.maxVariables, "the environment has over 65536 variables")
        try refuse(
            environment.keys.contains { $0.isEmpty || $0.contains("=") },
            "the environment has a name that is empty or contains '='")
        try refuse(resourceLimits.count > PlanFormat.maxResourceLimits, "there are over 16 resource limits")
        try refuse(mounts.count > Self.maxMounts, "there are over \(Self.maxMounts) mounts")
        try refuse(
            !mounts.isEmpty && !namespaces.contains(.mount), "mounts without a mount namespace would change the machine"
        )
        try refuse(
            joins && (!mounts.isEmpty || connectorPort != nil || awaitsEgress || denialPause != nil || waits),
            "a run that is joined has its mounts and its network already, tells no denials, and does not wait")
        try refuse(
            denialPause.map { !PlanFormat.denialPauses.contains($0) } ?? false,
            "the pause between denials is not within 1 ms and an hour")
        try refuse(userID == 0 || groupID == 0, "an app never runs as root")
        try refuse(userID == .max || groupID == .max, "4294967295 is not a user or group id")
        try refuse(!(-1000...1000).contains(outOfMemoryScoreAdjustment), "the OOM score is not within -1000 and 1000")
        try refuse(hostname.utf8.count > 64, "the host name is longer than 64 bytes")
        try refuse(!workingDirectory.hasPrefix("/"), "the working directory is not an absolute path")
    }
}

/// Appends values in the plan's format.
private struct PlanWriter {
    var bytes: [UInt8] = []

    mutating func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
    }

    mutating func append(_ text: String, as what: String) throws {
        let utf8 = text.utf8
        guard !utf8.contains(0) else { throw SandboxError(.invalidPlan, "\(what) contains a NUL byte") }
        guard utf8.count < RunPlan.maxBytes else { throw SandboxError(.invalidPlan, "\(what) is over 1 MiB") }
        append(UInt32(utf8.count))
        bytes.append(contentsOf: utf8)
        bytes.append(0)
    }

    mutating func append(_ landlock: Landlock) throws {
        for rule in landlock.paths {
            append(rule.rights.rawValue)
            append(UInt32(rule.optional ? 1 : 0))
            append(UInt32(0))
            try append(rule.path, as: "the path of a rule")
        }
        if landlock.handlesBind {
            append(landlock.handledPortRights)
            append(UInt64(landlock.bindPort))
        }
    }

    mutating func append(_ mount: Mount) throws {
        let components = mount.target.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        let isPlain = components.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." && $0.utf8.count <= 255 }
        guard mount.target.hasPrefix("/"), isPlain else {
            throw SandboxError(.invalidPlan, "'\(mount.target)' is not a plain absolute path to mount on")
        }
        switch mount {
        case .bind(let source, _, let options):
            try append(mount, kind: 1, options: options, source: Self.checked(source))
        case .temporary(_, let size, let mode, let options):
            try append(mount, kind: 2, options: options, size: size, mode: mode)
        case .processes: try append(mount, kind: 3)
        case .devices(_, let size): try append(mount, kind: 4, size: size)
        case .symbolicLink(_, let text): try append(mount, kind: 5, source: text)
        case .file(_, let contents, let mode, let options):
            try append(mount, kind: 6, options: options, mode: mode, source: contents)
        case .mask(_, let options): try append(mount, kind: 7, options: options)
        case .disk(let image, _, let size, let options):
            try append(mount, kind: 8, options: options, size: size, source: Self.checked(image))
        }
    }

    private static func checked(_ source: String) throws -> String {
        guard source.hasPrefix("/") else {
            throw SandboxError(.invalidPlan, "'\(source)' is not an absolute path to mount from")
        }
        return source
    }

    private mutating func append(
        _ mount: Mount, kind: UInt32, options: Mount.Options = [], size: UInt64 = 0, mode: UInt32 = 0,
        source: String = ""
    ) throws {
        append(kind)
        append(options.rawValue)
        append(size)
        append(mode)
        append(UInt32(0))
        try append(source, as: "what is mounted on \(mount.target)")
        try append(mount.target, as: "a mount's target")
    }
}
