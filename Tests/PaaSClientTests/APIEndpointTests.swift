// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import PaaSClient

@Suite struct APIEndpointTests {
    @Test(arguments: [
        ("unix:/run/paasd.sock", "unix:/run/paasd.sock"), ("unix:///run/paasd.sock", "unix:/run/paasd.sock"),
        ("/run/paasd.sock", "unix:/run/paasd.sock"), ("http://127.0.0.1:7070", "http://127.0.0.1:7070"),
        ("http://127.0.0.1:7070/", "http://127.0.0.1:7070"), ("HTTPS://paas.example", "https://paas.example"),
        ("http://[::1]:7070", "http://[::1]:7070"),
    ])
    func addressesOfBothKindsAreRead(text: String, shown: String) throws {
        #expect(try APIEndpoint(validating: text).description == shown)
    }

    @Test(arguments: [
        "", "localhost:7070", "ftp://host", "http://", "http://host/path", "http://host?x", "unix:relative",
        "unix:/" + String(repeating: "x", count: 107),
    ])
    func whatIsNoAddressIsRefused(text: String) {
        #expect(throws: ClientError.self) { try APIEndpoint(validating: text) }
    }

    @Test func passwordIsRefusedAndNotRepeated() {
        let error = #expect(throws: ClientError.self) { try APIEndpoint(validating: "http://me:geheim@host") }
        #expect(error?.description.contains("geheim") == false)
    }

    @Test func socketPathIsEncodedAsTheHost() {
        #expect(
            APIEndpoint.unix(path: "/run/a b/paasd.sock").url("/apps?x=1")
                == "http+unix://%2Frun%2Fa%20b%2Fpaasd.sock/apps?x=1")
    }

    @Test(arguments: [
        ("a/b", "a%2Fb"), ("..", "%2E%2E"), (".", "%2E"), ("a?b#c", "a%3Fb%23c"), ("ä", "%C3%A4"), ("\n", "%0A"),
        ("my-app_1.x~", "my-app_1.x~"),
    ])
    func componentCannotChangeThePath(text: String, encoded: String) {
        #expect(PercentEncoding.component(text) == encoded)
    }

    @Test func queryLeavesOutWhatIsNil() {
        #expect(PercentEncoding.query([("a", nil), ("b", "1 2"), ("c", "x&y")]) == "?b=1%202&c=x%26y")
        #expect(PercentEncoding.query([("a", nil)]).isEmpty)
    }
}
