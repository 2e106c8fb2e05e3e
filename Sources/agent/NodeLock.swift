// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem

/// One agent per home: an exclusive lock on `<home>/agent/lock`, which the kernel gives up when the agent ends,
/// however it ends (flock(2)).
struct NodeLock: ~Copyable {
    private let descriptor: OwnedDescriptor

    /// Takes the lock, or says who has it.
    init(directory: String) throws {
        let file = try Self.open(directory)
        guard Lock.take(file, unless: { Self.isAlive(in: directory) }) else {
            let holder = ProcFS.text(of: directory + "/lock").map { $0.prefix { $0.isNumber } } ?? ""
            throw ProgramError(
                "another agent\(holder.isEmpty ? "" : " (pid \(holder))") already runs with the home of \(directory); stop it, "
                    + "take its place with --replace, or give this one another --home")
        }
        try Self.writePID(to: file)
        descriptor = file
    }

    /// Waits until nobody else has the lock.
    init(waitingIn directory: String) throws {
        let file = try Self.open(directory)
        while flock(file.rawValue, LOCK_EX) != 0 {
            guard errno == EINTR else { throw SystemError(operation: "flock", path: directory + "/lock", errno: errno) }
        }
        try Self.writePID(to: file)
        descriptor = file
    }

    /// Gives the lock up before this process ends.
    borrowing func release() { flock(descriptor.rawValue, LOCK_UN) }

    /// The agent that wrote its number into the lock still lives.
    private static func isAlive(in directory: String) -> Bool {
        let text = ProcFS.text(of: directory + "/lock") ?? ""
        return Int32(text.prefix { $0.isNumber }).map { kill($0, 0) == 0 } ?? false
    }

    private static func open(_ directory: String) throws -> OwnedDescriptor {
        try OwnedDescriptor.open(directory + "/lock", O_RDWR | O_CREAT)
    }

    private static func writePID(to file: borrowing OwnedDescriptor) throws {
        ftruncate(file.rawValue, 0)
        try file.writeAll(Array("\(getpid())\n".utf8))
    }
}

/// One agent per cgroup root: everything below it that the agent does not know it removes, so two agents on one root
/// would kill each other's apps. An exclusive flock(2) on the directory itself.
struct CgroupRootLock: ~Copyable {
    private let descriptor: OwnedDescriptor

    init(path: String) throws {
        let directory = try OwnedDescriptor.open(path, O_RDONLY | O_DIRECTORY)
        guard Lock.take(directory, unless: { false }) else {
            throw ProgramError("another agent works below the cgroup \(path); give this one another --cgroup-root")
        }
        descriptor = directory
    }

    /// Gives the lock up before this process ends.
    borrowing func release() { flock(descriptor.rawValue, LOCK_UN) }
}

/// Taking a lock that a dead agent's last child may still hold: between clone3 and execve it has the agent's descriptors.
private enum Lock {
    /// Tries for a second.
    ///
    /// - Parameter isFinal: the holder is no such child, so waiting is of no use.
    static func take(_ file: borrowing OwnedDescriptor, unless isFinal: () -> Bool) -> Bool {
        for _ in 0..<50 {
            if flock(file.rawValue, LOCK_EX | LOCK_NB) == 0 { return true }
            if isFinal() { return false }
            usleep(20_000)
        }
        return false
    }
}

/// What an agent holds as long as it works.
struct NodeLocks: Sendable {
    let home: Shared<NodeLock>
    let cgroupRoot: Shared<CgroupRootLock>

    /// Lets another agent work on this node.
    func release() {
        cgroupRoot.value.release()
        home.value.release()
    }
}

/// Why the agent cannot start; one sentence.
struct ProgramError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
