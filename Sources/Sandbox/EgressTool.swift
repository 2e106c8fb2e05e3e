// SPDX-License-Identifier: Apache-2.0

internal import Glibc
public import LinuxSystem

/// `slirp4netns`, which carries an app's traffic from its network namespace to the host's network.
///
/// It speaks to the outside as an ordinary program of the host would, so no address, route or firewall rule of the host
/// changes. What it must not reach on the host is kept from it by `EgressFilter` on its cgroup.
public struct EgressTool: Hashable, Sendable {
    /// Its name, and that of its Debian package.
    public static let name = "slirp4netns"
    /// The app's network: of a range for tests between routers (RFC 2544), so it hides nobody's real network.
    static let network = "198.18.0.0/24"
    /// Where the tool answers DNS for the app, by asking the host's name server.
    static let nameServer = "198.18.0.3"

    private let program: String
    private let nameServers: String

    /// Where programs are looked for.
    static let directories = ["/usr/bin", "/usr/local/bin", "/bin"]

    /// Finds what is needed.
    ///
    /// - Throws: `SandboxError` with code `networkUnavailable`, whose message says what is missing and how to get it.
    public init() throws {
        func need(_ condition: Bool, _ why: String) throws {
            if !condition { throw SandboxError(.networkUnavailable, why) }
        }
        let candidates: [String] = Self.directories.map { $0 + "/" + Self.name }
        let found = candidates.first { access($0, X_OK) == 0 }
        guard let found else {
            throw SandboxError(
                .networkUnavailable,
                "\(Self.name) is not installed; install it with 'apt-get install \(Self.name)' and restart the agent")
        }
        program = found
        try need(access("/usr/bin/unshare", X_OK) == 0, "unshare is not installed; install the package util-linux")
        try need(access("/dev/net/tun", F_OK) == 0, "there is no /dev/net/tun; load the kernel module 'tun'")
        do { try EgressFilter.tryOut() } catch {
            throw SandboxError(.networkUnavailable, "the kernel takes no filter for a cgroup's traffic: \(error)")
        }
        nameServers = ProcFS.text(of: "/etc/resolv.conf") ?? ""
    }

    /// The address of the name server that the tool asks: the first of IPv4, as the tool itself chooses.
    public var resolver: IPv4Address? { Self.resolver(in: nameServers) }

    static func resolver(in text: String) -> IPv4Address? {
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.split(whereSeparator: \.isWhitespace)
            if words.count >= 2, words[0] == "nameserver", let address = IPv4Address(String(words[1])) {
                return address
            }
        }
        return nil
    }

    /// The tool shows itself /etc and /run of the host. It gets ones with nothing in them but the name server: it needs
    /// no more, and the sockets of the platform and others are in /run.
    private static let script = """
        resolver=$(cat /etc/resolv.conf)
        mount -t tmpfs -o size=64k,mode=755 none /etc
        printf '%s\\n' "$resolver" >/etc/resolv.conf
        mount -t tmpfs -o size=64k,mode=755 none /run
        exec "$1" --configure --mtu=65520 --cidr=\(network) --disable-host-loopback --enable-sandbox --enable-seccomp \\
            --ready-fd=3 --exit-fd=4 --netns-type=path "$2" egress0
        """

    /// Starts it for the network namespace of a process. It ends by itself when that process has closed its side of the
    /// socket pair.
    ///
    /// - Parameters:
    ///   - pid: a process of the network namespace.
    ///   - null: descriptor of `/dev/null`.
    ///   - messages: gets what it has to say; number of a descriptor, as all of these.
    ///   - link: one end of a socket pair, whose other end the process has: one byte comes out there once the network
    ///     works.
    ///   - cgroup: a cgroup of its own, with the filter in place.
    /// - Throws: `SystemError`.
    public func start(
        forProcess pid: Int32, null: Int32, messages: Int32, link: Int32, cgroup: Int32
    ) throws(SystemError) -> ProcessHandle {
        let request = Spawner.Request(
            path: "/usr/bin/unshare",
            arguments: [
                "unshare", "--mount", "--ipc", "--uts", "--propagation", "private", "/bin/sh", "-euc", Self.script,
                "egress", program, "/proc/\(pid)/ns/net",
            ], environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], newPIDNamespace: true)
        return try Spawner.spawn(request, descriptors: [null, null, messages, link, link], cgroup: cgroup)
    }
}
