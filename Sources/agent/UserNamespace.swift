// SPDX-License-Identifier: Apache-2.0

import Cgroups
import Glibc
import LinuxSystem
import ProgramSupport
import Sandbox

/// How an ordinary user runs the agent: in a user namespace in which that user is root, over a range of subordinate ids
/// (subuid(5)) of which every app gets one. Everything else then is as for root, in so far as the kernel lets it.
///
/// The agents of one home follow each other in one namespace: over processes in another one they would have no power.
/// It lives as long as a process in it: an app's, or the holder's of `paas-apps.service`.
enum UserNamespace {
    /// Executes this program again inside, when it was not started by root; returns when there is nothing to do.
    ///
    /// - Parameter cgroupRoot: below it are the apps that run, beside it the holder.
    /// - Throws: `ProgramError` that says what an ordinary user needs.
    static func enter(cgroupRoot: String) throws {
        guard geteuid() != 0 else { return }
        guard getenv(CommonOptions.ownerVariable) == nil else {
            throw ProgramError("the user namespace has no root; see 'Without root' in docs/operations.md")
        }
        var program = CommandLine.arguments
        guard let path = realpath("/proc/self/exe", nil) else {
            throw SystemError(operation: "realpath", path: "/proc/self/exe", errno: errno)
        }
        defer { free(path) }
        program[0] = String(cString: path)
        let words: [String]
        if let pid = member(near: cgroupRoot) {
            words = ["/usr/bin/nsenter", "--user", "--target", "\(pid)", "--"] + program
        } else {
            try checkRequirements()
            words = ["/usr/bin/unshare", "--user", "--map-auto", "--map-root-user", "--"] + program
        }
        setenv(CommonOptions.ownerVariable, "\(geteuid())", 1)
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        arguments.append(nil)
        execv(words[0], arguments)
        throw SystemError(operation: "execve", path: words[0], errno: errno)
    }

    /// A process in the namespace of an earlier agent of this user.
    private static func member(near cgroupRoot: String) -> Int32? {
        let parent = cgroupRoot.prefix(upTo: cgroupRoot.lastIndex(of: "/") ?? cgroupRoot.startIndex)
        let processes = ["\(parent)/holder", cgroupRoot].lazy.flatMap { RunCgroup.processIDs(below: $0) }
        return processes.first { pid in
            // Our own namespace has no such line: in it this user is not 0.
            IDMap.userIDs(ofProcess: pid)?.extents.first { $0.inside == 0 }?.outside == geteuid()
        }
    }

    private static func checkRequirements() throws {
        guard access("/usr/bin/newuidmap", X_OK) == 0 else {
            throw ProgramError(
                "without root it needs newuidmap; install it with 'apt-get install uidmap', or run the agent as root")
        }
        let name = getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) }
        for file in ["/etc/subuid", "/etc/subgid"] {
            let owners = (ProcFS.text(of: file) ?? "").split(separator: "\n").map { $0.prefix { $0 != ":" } }
            guard owners.contains(where: { $0 == name ?? "" || $0 == "\(geteuid())" }) else {
                throw ProgramError(
                    "without root it needs subordinate ids, and \(file) has none for this user; add some with "
                        + "'usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \(name ?? "USER")' as root")
            }
        }
    }
}
