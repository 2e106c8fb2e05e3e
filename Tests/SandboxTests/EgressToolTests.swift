// SPDX-License-Identifier: Apache-2.0

import LinuxSystem
import PaaSModel
import Testing

@testable import Sandbox

struct EgressToolTests {
    @Test(arguments: [
        ("nameserver 127.0.0.53\n", "127.0.0.53"),
        ("# a comment\nsearch example.org\nnameserver\t10.0.0.1 # first\nnameserver 10.0.0.2\n", "10.0.0.1"),
        ("nameserver 2001:db8::53\nnameserver 192.0.2.53", "192.0.2.53"),
    ])
    func theFirstNameServerOfIPv4IsTheOneThatIsAsked(file: String, address: String) {
        #expect(EgressTool.resolver(in: file) == IPv4Address(address))
        #expect(EgressTool.resolver(in: file) != nil)
    }

    @Test(arguments: ["", "nameserver\n", "nameserver 2001:db8::53\n", "#nameserver 10.0.0.1\n", "nameserver 10.0.0\n"])
    func withoutOneNothingOfTheHostIsAllowed(file: String) {
        #expect(EgressTool.resolver(in: file) == nil)
    }

    @Test func aMissingToolIsNamedWithItsPackageAndIsolationStays() throws {
        let missing = SandboxError(.networkUnavailable, "slirp4netns is not installed; install it")
        let networks = NetworkSupport(layers: [], egressTool: .failure(missing))
        #expect(networks.modes == [.isolated, .host])
        let error = try #require(throws: SandboxError.self) {
            try networks.mode(of: ReleaseSpec(command: .shell("x"), network: .egress))
        }
        #expect(error.code == .networkUnavailable && error.message.contains("slirp4netns is not installed; install it"))
    }

    @Test func withoutNetworkNamespacesThereIsNoEgressWhateverIsInstalled() {
        let none = SandboxLayer(name: "network-namespace", enforced: false, detail: "none", remedy: "boot another")
        let networks = NetworkSupport(
            layers: [none], egressTool: .failure(SandboxError(.networkUnavailable, "no tool")))
        #expect(networks.modes == [.host])
        #expect(networks.reason(against: .egress) == "none; boot another")
    }
}
