// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import LinuxSystem

@Suite struct ProcFSTests {
    private static let answersAboutSockets: ConditionTrait = .enabled(
        if: TCPSockets.asked(ofProcess: getpid(), states: ~0) != nil, "the kernel has no tcp_diag")

    @Test func startTimeIsFoundBehindAnyProcessName() {
        let tail = "S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 99"
        #expect(ProcFS.startTicks(inStat: "7 (a) b) (c) \(tail)") == 4711)
        #expect(ProcFS.startTicks(inStat: "7 (a S 1") == nil)
        #expect(ProcFS.startTicks(inStat: "7 (a) S 1") == nil)
    }

    @Test func identityOfThisProcessIsStableAndOfNoProcessIsNil() throws {
        let first = try #require(ProcessIdentity.current(of: getpid()))
        #expect(ProcessIdentity.current(of: getpid()) == first)
        #expect(ProcessIdentity.current(of: 0x3FFF_FFFF) == nil)
    }

    @Test func listeningTableKeepsOnlyListeners() {
        let table = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:4E20 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 1234 1 0 100 0
               1: 0100007F:4E21 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 1235 1 0 100 0
               2: garbage
            """
        #expect(
            TCPSockets.parse(table, inState: 10) == [
                TCPSockets.Socket(state: "LISTEN", port: 20_000, isReachableOnLoopback: true, waiting: 3, inode: 1234)
            ])
        #expect(TCPSockets.parse(table).map(\.state) == ["LISTEN", "ESTABLISHED"])
    }

    /// An app on [::1] alone once counted as ready, and the router, which dials 127.0.0.1, answered 502.
    @Test(arguments: [
        ("0100007F", true), ("00000000", true), ("0200007F", false), ("0A00020F", false),
        ("00000000000000000000000000000000", true), ("0000000000000000FFFF00000100007F", true),
        ("00000000000000000000000001000000", false),
    ])
    func onlySomeAddressesAreReachedFromLoopback(_ address: String, reachable: Bool) {
        let line = "0: \(address):4E20 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1234 1"
        #expect(TCPSockets.parse("header\n\(line)").map(\.isReachableOnLoopback) == [reachable])
    }

    @Test func ownListenerIsFoundWithItsHolder() throws {
        let descriptor = OwnedDescriptor(adopting: socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        #expect(listen(descriptor.rawValue, 1) == 0)
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = getsockname(descriptor.rawValue, $0, &length)
            }
        }
        let port = UInt16(bigEndian: address.sin_port)
        let sockets = TCPSockets.listening(ofProcess: getpid())
        #expect(sockets.contains(port: port))
        #expect(sockets.sockets(heldBy: [getpid()]).contains { $0.port == port })
        #expect(sockets.holder(ofPort: port)?.pid == getpid())
    }

    /// Both ways to ask say the same of the same sockets, whatever the address.
    @Test(
        Self.answersAboutSockets,
        arguments: [
            ("127.0.0.1", true), ("0.0.0.0", true), ("127.0.0.2", false), ("::", true), ("::1", false),
            ("::ffff:127.0.0.1", true),
            ("::ffff:127.0.0.2", false),
        ])
    func theKernelAnswersWhatItsTablesSay(_ host: String, reachable: Bool) throws {
        let listener = try ListeningSocket.bind(host: host, port: 0)
        let port = try ListeningSocket.address(of: listener).port
        let asked = try #require(TCPSockets.asked(ofProcess: getpid(), states: 1 << 10))
        let read = TCPSockets.read(ofProcess: getpid(), inState: 10)
        let own = try #require(asked.first { $0.port == port })
        #expect(own.state == "LISTEN" && own.isReachableOnLoopback == reachable)
        #expect(read.first { $0.port == port } == own)
    }

    @Test(Self.answersAboutSockets) func anotherNetworkIsAskedAndNotThisOne() throws {
        let listener = try ListeningSocket.bind(host: "127.0.0.1", port: 0)
        let port = try ListeningSocket.address(of: listener).port
        let null = try OwnedDescriptor.open("/dev/null", O_RDWR)
        let other = try Spawner.spawn(
            Spawner.Request(path: "/bin/sleep", arguments: ["sleep", "60"], newNetworkNamespace: true),
            descriptors: [null.rawValue, null.rawValue, null.rawValue], cgroup: nil)
        defer { _ = try? other.send(signal: SIGKILL) }
        #expect(TCPSockets.asked(ofProcess: other.pid, states: ~0) == [])
        // And this thread is back where it was.
        #expect(TCPSockets.asked(ofProcess: getpid(), states: 1 << 10)?.contains { $0.port == port } == true)
    }
}
