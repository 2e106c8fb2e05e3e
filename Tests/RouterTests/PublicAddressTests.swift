// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Router

struct PublicAddressTests {
    private let upstream = Upstream(id: "i", host: "127.0.0.1", port: 20_001)
    private var byPath: PublicAddress {
        PublicAddress(prefix: "/apps/web", authority: "Pub:8080", scheme: "http", upstream: upstream)
    }
    private var byHost: PublicAddress {
        PublicAddress(prefix: nil, authority: "web.localhost:8080", scheme: "http", upstream: upstream)
    }

    private func location(_ text: String, _ address: PublicAddress) -> String {
        String(decoding: address.location(Array(text.utf8)), as: UTF8.self)
    }

    private func cookie(_ text: String, _ address: PublicAddress) -> String {
        String(decoding: address.cookie(Array(text.utf8)), as: UTF8.self)
    }

    @Test(arguments: [
        ("/", "/apps/web/"), ("/a?b#c", "/apps/web/a?b#c"), ("/apps/web/a", "/apps/web/a"), ("/apps/web", "/apps/web"),
        ("/apps/web?x", "/apps/web?x"), ("/apps/webby", "/apps/web/apps/webby"), ("a/b", "a/b"), ("?x", "?x"),
        ("../x", "../x"), ("", ""), ("http://127.0.0.1:20001/a", "http://Pub:8080/apps/web/a"),
        ("http://LOCALHOST:20001", "http://Pub:8080/apps/web/"),
        ("https://localhost:20001?a", "http://Pub:8080/apps/web/?a"),
        ("//127.0.0.1:20001/a", "http://Pub:8080/apps/web/a"), ("http://pub:8080/a", "http://pub:8080/apps/web/a"),
        ("http://pub:8080/apps/web/a", "http://pub:8080/apps/web/a"), ("//pub:8080/a", "//pub:8080/apps/web/a"),
        ("https://example.org/a", "https://example.org/a"), ("//example.org/a", "//example.org/a"),
        ("http://127.0.0.1:9/a", "http://127.0.0.1:9/a"), ("mailto:a@b", "mailto:a@b"),
        ("http://evil:20001/a", "http://evil:20001/a"),
        // Characters of several bytes were counted as one, and took as much away from the port.
        ("http://pub:8080/caf\u{e9}?\u{1f600}", "http://pub:8080/apps/web/caf\u{e9}?\u{1f600}"),
        // A slash with an accent is no slash to Swift, and was left at the root.
        ("/\u{301}a", "/apps/web/\u{301}a"),
    ])
    func locationIsMovedUnderThePrefix(_ value: String, _ expected: String) {
        #expect(location(value, byPath) == expected)
    }

    @Test(arguments: [
        ("/a", "/a"), ("http://127.0.0.1:20001/a", "http://web.localhost:8080/a"),
        ("http://web.localhost:8080/a", "http://web.localhost:8080/a"),
    ])
    func locationOfAnAppWithItsOwnHostKeepsThePath(_ value: String, _ expected: String) {
        #expect(location(value, byHost) == expected)
    }

    @Test(arguments: [
        ("a=b; Path=/", "a=b; Path=/apps/web/"), ("a=b;path = /x ; Secure", "a=b;path =/apps/web/x; Secure"),
        ("a=b; PATH=/apps/web", "a=b; PATH=/apps/web"), ("a=b; Path=/apps/webby", "a=b; Path=/apps/web/apps/webby"),
        ("path=/; HttpOnly", "path=/; HttpOnly"), ("a=b; Path=x", "a=b; Path=x"), ("a=b; Path", "a=b; Path"),
        ("a=b; Path=/; Path=/y", "a=b; Path=/apps/web/; Path=/apps/web/y"), ("a", "a"), ("", ""),
    ])
    func cookieStaysBelowThePrefix(_ value: String, _ expected: String) {
        #expect(cookie(value, byPath) == expected)
        #expect(cookie(value, byHost) == value)
    }

    @Test func bytesThatAreNotUTF8ArePartOfAnAddressToo() {
        #expect(byPath.location([0x2F, 0xE9]) == Array("/apps/web/".utf8) + [0xE9])
        #expect(byPath.cookie([0x61, 0x3D, 0xE9]) == [0x61, 0x3D, 0xE9])
        #expect(byPath.cookie(Array("a;path=/".utf8) + [0xE9]) == Array("a;path=/apps/web/".utf8) + [0xE9])
    }
}
