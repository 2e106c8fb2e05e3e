// SPDX-License-Identifier: Apache-2.0

import NIOCore
import PaaSModel
import Synchronization
import Testing

@testable import ControlPlane

@Suite struct DashboardTests {
    // MARK: Pages

    private static let hostile = "\"><script>alert(1)</script>'`&"

    private static func app(_ status: AppStatus = .running) throws -> App {
        App(
            id: "a-1", name: try AppName(validating: "web"), command: .shell("exec run # " + hostile), status: status,
            reason: hostile, instances: 1, release: "v1", createdAt: .now, updatedAt: .now)
    }

    @Test func everyPageEscapesWhatAppsSay() throws {
        var app = try Self.app()
        app.lastExit = ExitReport(code: 1, at: .now, reason: Self.hostile, lastLines: [Self.hostile])
        app.urls = ["javascript:alert(1)", "http://127.0.0.1:8080/\"onx="]
        let event = Event(time: .now, kind: .exited, app: Self.hostile, instance: Self.hostile, message: Self.hostile)
        let release = Release(
            name: "v1", status: .superseded, command: .shell(Self.hostile), limits: Limits(), bundle: nil,
            reason: Self.hostile, createdAt: .now)
        let pages = [
            ("app", AppPage(app: app, releases: [release], inForce: [], events: [event], acts: true) as Any),
            ("apps", AppsPage(apps: [app], events: [event], nodes: [], creates: true) as Any),
        ]
        for (name, body) in pages {
            let html = DashboardTemplates.written.page(name, ["title": Self.hostile, "csrf": "t", "body": body])
            #expect(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;&#39;&#96;&amp;"), "\(name)")
            #expect(!html.contains("<script>alert"), "\(name)")
            #expect(!html.contains("javascript:"), "\(name)")
            #expect(!html.contains("8080/\"onx"), "\(name)")
        }
    }

    /// The library's own escaping goes by characters, and let a quote with an accent through.
    @Test func anAccentDoesNotTakeAQuoteThrough() {
        #expect(EscapedHTML().escapeText("a\"\u{301}<\u{338}&\u{200D}") == "a&quot;\u{301}&lt;\u{338}&amp;\u{200D}")
        let html = DashboardTemplates.written.page("login", ["failure": "\"\u{301} onfocus=x"])
        #expect(html.contains("&quot;\u{301} onfocus=x"))
        // Pages that are included by others begin with the library's escaping again.
        let items = PageEvents(
            [Event(time: .now, kind: .exited, message: "\"\u{301}")], apps: [], isOfOneApp: true)
        let list = DashboardTemplates.written.page("events", ["events": items])
        #expect(list.contains("&quot;\u{301}"))
    }

    @Test func whatTurnsTextRoundIsShownAndNotObeyed() {
        #expect(EscapedHTML().escapeText("a\u{202E}b\u{1B}[2Jc\u{0}\nd") == "a\u{FFFD}b\u{FFFD}[2Jc\u{FFFD}\nd")
    }

    @Test(
        arguments: [
            ([], "No apps yet"), ([.running], "1 app, running"), ([.running, .running], "2 apps, all running"),
            ([.running, .failed, .stopped], "3 apps: 1 running, 1 failed, 1 stopped"), ([.failed], "1 app: 1 failed"),
        ] as [([AppStatus], String)])
    func theHeadlineTellsHowThingsStand(_ statuses: [AppStatus], _ headline: String) throws {
        #expect(AppsPage.headline(try statuses.map { try Self.app($0) }) == headline)
    }

    @Test func whoMayOnlyLookGetsNoForms() throws {
        let release = Release(
            name: "v1", status: .superseded, command: .shell("x"), limits: Limits(), bundle: nil, reason: nil,
            createdAt: .now)
        func forms(_ acts: Bool) throws -> Int {
            let page = AppPage(app: try Self.app(), releases: [release], inForce: nil, events: [], acts: acts)
            let html = DashboardTemplates.written.page("app", ["csrf": "t", "body": page])
            return html.components(of: "<form method=\"post\" action=\"/ui/apps/")
        }
        #expect(try forms(false) == 0)
        #expect(try forms(true) == 5)
    }

    // MARK: Sessions

    @Test func aSessionEndsWithItsTimeOrWhenItIsEnded() {
        let clock = Mutex(NIODeadline.uptimeNanoseconds(1))
        let sessions = DashboardSessions { clock.withLock { $0 } }
        let (one, two) = (sessions.begin(.administrator), sessions.begin(.administrator))
        #expect(one != two)
        #expect(sessions.session(one)?.principal == .administrator)
        #expect(sessions.session(one)?.formToken != sessions.session(two)?.formToken)
        sessions.end(one)
        #expect(sessions.session(one) == nil)
        clock.withLock { $0 = $0 + DashboardSessions.life }
        #expect(sessions.session(two) == nil)
        #expect(sessions.session("") == nil)
    }

    @Test func theNumberOfSessionsHasACap() {
        let clock = Mutex(NIODeadline.uptimeNanoseconds(1))
        let sessions = DashboardSessions { clock.withLock { $0 } }
        let secrets = (0...DashboardSessions.limit).map { number in
            clock.withLock { $0 = .uptimeNanoseconds(UInt64(number + 1)) }
            return sessions.begin(.administrator)
        }
        #expect(sessions.session(secrets[0]) == nil)
        #expect(sessions.session(secrets[1]) != nil)
        #expect(sessions.session(secrets[DashboardSessions.limit]) != nil)
    }
}

extension String {
    fileprivate func components(of text: String) -> Int {
        var (count, rest) = (0, self[...])
        while let found = rest.firstRange(of: text) {
            count += 1
            rest = rest[found.upperBound...]
        }
        return count
    }
}
