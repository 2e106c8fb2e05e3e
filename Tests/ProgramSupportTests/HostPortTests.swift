// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import ProgramSupport
import Testing

struct HostPortTests {
    @Test(arguments: [
        ("127.0.0.1:7070", "127.0.0.1", 7070), ("localhost:0", "localhost", 0), ("[::1]:80", "::1", 80),
        ("example.org:65535", "example.org", 65535),
    ])
    func addressesAreRead(text: String, host: String, port: Int) throws {
        let address = try HostPort(validating: text, field: "--listen")
        #expect(address.host == host)
        #expect(address.port == port)
        #expect(address.description == text)
    }

    @Test(arguments: [
        "", "7070", ":7070", "localhost", "localhost:", "localhost:65536", "localhost:+1", "localhost:-1", "::1:80",
        "[::1]", "[]:80", "a b:80", "http://x:80", "localhost:8０",
    ])
    func everythingElseIsRefusedWithAnExample(text: String) {
        let error = #expect(throws: PaaSModel.ValidationError.self) {
            try HostPort(validating: text, field: "--listen")
        }
        #expect(error?.field == "--listen")
        #expect(error?.message.contains("127.0.0.1:7070") == true)
    }

    @Test(arguments: [
        ("127.0.0.1", true), ("127.9.9.9", true), ("::1", true), ("localhost", true), ("0.0.0.0", false),
        ("::", false), ("10.0.0.1", false), ("127.evil.org", false), ("127.0.0", false), ("localhost.evil.org", false),
    ])
    func onlyLoopbackIsLoopback(host: String, expected: Bool) {
        #expect(HostPort(host: host, port: 1).isLoopback == expected)
    }
}
