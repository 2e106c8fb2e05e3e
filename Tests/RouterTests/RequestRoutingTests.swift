// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Router

struct RequestRoutingTests {
    private func route(_ target: String, host: String? = "a:8080", method: String = "GET") throws -> Destination {
        try RequestRouting.destination(method: method, target: target, host: host)
    }

    @Test(arguments: [
        ("/apps/web/", "/"), ("/apps/web/a/b?c=d", "/a/b?c=d"), ("/apps/web//", "//"), ("/apps/web/%2F%zz", "/%2F%zz"),
        ("/apps/%77%65b/x", "/x"), ("/apps/web/../../other/", "/../../other/"), ("/apps/web/?", "/?"),
    ])
    func pathNamesTheAppAndTheRestIsUntouched(_ target: String, _ expected: String) throws {
        let request = AppRequest(app: "web", target: .text(expected), prefix: "/apps/web", authority: "a:8080")
        #expect(try route(target) == .app(request))
    }

    @Test(arguments: [
        "/apps", "/apps/", "/apps//x", "/apps/Web/", "/apps/a_b/", "/apps/%2e%2e/", "/apps/a%2Fb/",
        "/apps/-a/", "/appsx/web/", "/other", "//apps/web/", "/apps/%C3%A9/",
    ])
    func whatNamesNoAppLeadsNowhere(_ target: String) throws {
        #expect(try route(target) == .nowhere)
    }

    @Test(arguments: ["/apps/web%", "/apps/web%4/", "/apps/%zz/", "/apps/web%4"])
    func halfEncodedNameIsRefused(_ target: String) {
        #expect(throws: FramingError.self) { try route(target) }
    }

    @Test func missingSlashIsRedirectedToTheCanonicalName() throws {
        #expect(try route("/apps/%77eb") == .redirect(to: "/apps/web/"))
        #expect(try route("/apps/web?a=//evil") == .redirect(to: "/apps/web/?a=//evil"))
    }

    @Test(arguments: ["web.localhost", "WEB.LOCALHOST:8080", "web.localhost.", "Web.localhost.:1", "web.localhost:"])
    func hostNamesTheApp(_ host: String) throws {
        let request = AppRequest(app: "web", target: .text("/apps/x/"), prefix: nil, authority: host)
        #expect(try route("/apps/x/", host: host) == .app(request))
    }

    @Test(arguments: ["a.b.localhost", "-.localhost", ".localhost", "a_b.localhost"])
    func hostBelowLocalhostNeverFallsBackToThePath(_ host: String) throws {
        #expect(try route("/apps/web/", host: host) == .nowhere)
    }

    @Test(arguments: ["localhost", "127.0.0.1:8080", "[::1]:8080", "", "weblocalhost"])
    func otherHostsAreRoutedByPath(_ host: String) throws {
        #expect(try route("/", host: host) == .frontPage)
    }

    @Test func absoluteFormOverridesTheHostField() throws {
        let byPath = AppRequest(app: "web", target: .text("/x?y"), prefix: "/apps/web", authority: "b:1")
        #expect(try route("http://b:1/apps/web/x?y", host: "web.localhost") == .app(byPath))
        let byHost = AppRequest(app: "web", target: .text("/?y"), prefix: nil, authority: "web.localhost")
        #expect(try route("HTTP://web.localhost?y") == .app(byHost))
    }

    @Test func asteriskIsForOptionsOnly() throws {
        #expect(try route("*", method: "OPTIONS") == .frontPage)
        #expect(throws: FramingError.self) { try route("*") }
    }

    @Test(arguments: ["[::1", "[::1]x", "a:123456", "a:b", "a b", "u@a", ":80", "a/b", "a?b", "a,b", "\u{e9}", "a]"])
    func malformedAuthorityIsRefused(_ text: String) {
        #expect(throws: FramingError.self) { try Authority(text) }
    }
}
