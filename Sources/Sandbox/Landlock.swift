// SPDX-License-Identifier: Apache-2.0

/// Rules of Landlock for one run (landlock(7)): what of the view may be done what with, which TCP port may be listened
/// on, and that signals and abstract sockets end at the app's own processes.
public struct Landlock: Hashable, Sendable {
    /// Rights on files and directories: LANDLOCK_ACCESS_FS_*.
    public struct FileRights: OptionSet, Hashable, Sendable {
        /// The kernel's bits.
        public let rawValue: UInt64

        /// Creates rights from the kernel's bits.
        public init(rawValue: UInt64) { self.rawValue = rawValue }

        static let execute = FileRights(rawValue: 1 << 0)
        static let writeFile = FileRights(rawValue: 1 << 1)
        static let readFile = FileRights(rawValue: 1 << 2)
        static let readDirectory = FileRights(rawValue: 1 << 3)
        static let makeCharacterDevice = FileRights(rawValue: 1 << 6)
        static let makeBlockDevice = FileRights(rawValue: 1 << 11)
        static let refer = FileRights(rawValue: 1 << 13)
        static let truncate = FileRights(rawValue: 1 << 14)
        static let deviceControl = FileRights(rawValue: 1 << 15)

        static let read: FileRights = [.readFile, .readDirectory]
        static let write: FileRights = [.writeFile, .truncate]
        /// Everything that a directory of the app's own needs: not executing, not device files.
        static let own: FileRights = FileRights(rawValue: (1 << 15) - 1)
            .subtracting([.execute, .makeCharacterDevice, .makeBlockDevice])

        /// What an ABI can handle. Handled rights are denied unless a rule allows them.
        static func handled(abi: Int) -> FileRights {
            var rights = FileRights(rawValue: (1 << 13) - 1)
            if abi >= 2 { rights.insert(.refer) }
            if abi >= 3 { rights.insert(.truncate) }
            if abi >= 5 { rights.insert(.deviceControl) }
            return rights
        }
    }

    /// What may be done below a path of the view.
    public struct PathRule: Hashable, Sendable {
        /// Absolute path in the app's view.
        public var path: String
        /// The rights.
        public var rights: FileRights
        /// Left out where the path does not exist.
        public var optional: Bool
    }

    /// Rights that are denied unless a rule allows them.
    public var handledFiles: FileRights
    /// Nothing but ``bindPort`` may be bound by TCP.
    public var handlesBind: Bool
    /// Signals and abstract sockets reach the app's own processes only.
    public var isScoped: Bool
    /// Of the scopes, the one of signals is in force.
    public var scopesSignals = true
    /// What is allowed.
    public var paths: [PathRule]
    /// The TCP port that may be bound.
    public var bindPort: UInt16

    /// The oldest ABI that is used: with the first one no file can be renamed from one directory to another.
    public static let oldestABI = 2
    /// ABI with rules for TCP ports.
    public static let portABI = 4
    /// ABI with scopes.
    public static let scopeABI = 6

    /// The rules that fit a view.
    ///
    /// - Parameters:
    ///   - abi: ABI of the kernel; at least ``oldestABI``.
    ///   - mounts: the view.
    ///   - port: the app's PORT; nil to leave TCP alone.
    public init(abi: Int, mounts: [Mount], port: UInt16?) {
        let handled = FileRights.handled(abi: abi)
        handledFiles = handled
        handlesBind = abi >= Self.portABI && port != nil
        isScoped = abi >= Self.scopeABI
        bindPort = port ?? 0
        // The root shows nothing but the view, so all of it may be listed.
        let all = [PathRule(path: "/", rights: .readDirectory, optional: false)] + mounts.flatMap(Self.rules)
        paths = all.map { rule in
            PathRule(path: rule.path, rights: rule.rights.intersection(handled), optional: rule.optional)
        }
    }

    private static func rules(of mount: Mount) -> [PathRule] {
        switch mount {
        case .bind(_, let target, let options):
            var rights: FileRights = options.contains(.readOnly) ? .read : .own
            if !options.contains(.noExecution) { rights.insert(.execute) }
            return [PathRule(path: target, rights: rights, optional: options.contains(.optional))]
        case .temporary(let target, _, _, let options), .disk(_, let target, _, let options):
            let rights = options.contains(.noExecution) ? FileRights.own : FileRights.own.union(.execute)
            return [PathRule(path: target, rights: rights, optional: false)]
        case .processes(let target):
            return [PathRule(path: target, rights: FileRights.read.union(.write), optional: false)]
        case .devices(let target, _):
            return [
                PathRule(path: target, rights: FileRights.read.union(.write), optional: false),
                PathRule(path: target + "/shm", rights: .own, optional: false),
            ]
        case .file(let target, _, _, _): return [PathRule(path: target, rights: .readFile, optional: false)]
        // A link is decided by where it leads, and below a mask there is nothing.
        case .symbolicLink, .mask: return []
        }
    }

    /// LANDLOCK_ACCESS_NET_BIND_TCP where it is handled.
    var handledPortRights: UInt64 { handlesBind ? 1 : 0 }
    /// LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET and LANDLOCK_SCOPE_SIGNAL where they are in force.
    var scopes: UInt64 { isScoped ? (scopesSignals ? 3 : 1) : 0 }
}
