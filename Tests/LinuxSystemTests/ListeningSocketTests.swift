// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import LinuxSystem

struct ListeningSocketTests {
    @Test(arguments: ["127.0.0.1", "0.0.0.0", "::1", "::"])
    func addressIsThatOfTheSocket(host: String) throws {
        let chosen = try ListeningSocket.bind(host: host, port: 0)
        let first = try ListeningSocket.address(of: chosen)
        #expect(first.host == host)
        #expect(first.port > 0)
        // Nobody else can have it.
        let taken = #expect(throws: SystemError.self) { _ = try ListeningSocket.bind(host: host, port: first.port) }
        #expect(taken?.name == "EADDRINUSE")
    }

    @Test func whatIsNoTCPSocketHasNoAddress() throws {
        let directory = try OwnedDescriptor.open("/", 0)
        #expect(throws: SystemError.self) { _ = try ListeningSocket.address(of: directory) }
        let unix = try SocketPair()
        let error = #expect(throws: SystemError.self) { _ = try ListeningSocket.address(of: unix.first) }
        #expect(error?.name == "EAFNOSUPPORT")
    }
}
