// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem

/// The files of `/etc` that are written for an app instead of shown from the host: the host's name its users.
enum IdentityFiles {
    /// Files for one run.
    static func mounts(userID: UInt32, hostname: String, hostsOfTheHost: String) -> [Mount] {
        let user = AppEnvironment.userName
        return [
            .file(
                target: "/etc/passwd",
                contents: """
                    root:x:0:0:root:/nonexistent:/usr/sbin/nologin
                    \(user):x:\(userID):\(userID):app:/data:/bin/sh
                    nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin

                    """),
            .file(target: "/etc/group", contents: "root:x:0:\n\(user):x:\(userID):\nnogroup:x:65534:\n"),
            // Only modules of the C library itself: the others need daemons that the app cannot reach.
            .file(
                target: "/etc/nsswitch.conf",
                contents: """
                    passwd: files
                    group: files
                    shadow: files
                    hosts: files dns
                    networks: files
                    protocols: files
                    services: files

                    """),
            .file(target: "/etc/hostname", contents: hostname + "\n"),
            .file(target: "/etc/hosts", contents: hosts(hostname: hostname, hostsOfTheHost: hostsOfTheHost)),
        ]
    }

    /// The host's names, for an app that shares its network, and the app's own, so that looking it up neither
    /// fails nor waits for a name server.
    static func hosts(hostname: String, hostsOfTheHost: String) -> String {
        let own = "127.0.0.1 localhost \(hostname)\n::1 localhost ip6-localhost ip6-loopback \(hostname)\n"
        let usable = hostsOfTheHost.utf8.count <= 65_536 && !hostsOfTheHost.utf8.contains(0)
        return usable ? own + hostsOfTheHost : own
    }

    /// `/etc/hosts` of the host; empty when it cannot be read.
    static var hostsOfTheHost: String { ProcFS.text(of: "/etc/hosts", limit: 65_537) ?? "" }
}
