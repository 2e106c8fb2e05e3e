// SPDX-License-Identifier: Apache-2.0

import PaaSClient
import PaaSModel
import Testing

@testable import paas

@Suite struct ConnectionTests {
    private let home = PaaSHome(root: "/h")

    private func address(_ url: String? = nil, token: String? = nil, socket: Bool = false) throws -> ControlPlaneAddress
    {
        try ControlPlaneAddress(
            url: url, token: token, home: home,
            files: .init(
                exists: { $0 == "/h/run/paasd.sock" && socket }, text: { $0 == "/h/admin.token" ? "saved\n" : nil }))
    }

    @Test func socketOfTheHomeIsTheDefaultWhenItIsThere() throws {
        #expect(try address(socket: true).endpoint == .unix(path: "/h/run/paasd.sock"))
        #expect(try address(socket: true).token == nil)
    }

    @Test func withoutASocketItIsTheLocalPortWithTheSavedToken() throws {
        #expect(try address().endpoint == .tcp(base: "http://127.0.0.1:7070"))
        #expect(try address().token == "saved")
    }

    @Test func savedTokenNeverLeavesThisMachine() throws {
        #expect(try address("http://localhost:1").token == "saved")
        #expect(try address("http://[::1]:1").token == "saved")
        #expect(try address("http://10.0.0.1:7070").token == nil)
        #expect(try address("http://127.0.0.1.example:7070").token == nil)
    }

    @Test func givenUrlAndTokenWin() throws {
        let given = try address("https://paas.example", token: " mine\n", socket: true)
        #expect(given.endpoint == .tcp(base: "https://paas.example"))
        #expect(given.token == "mine")
    }

    @Test(arguments: [
        ("shpo", ["shop", "blog"], "shop"), ("Shop", ["shop"], "shop"), ("sho", ["shopping", "blog"], "shopping"),
        ("blgo", ["shop", "blog"], "blog"), ("entirely", ["shop", "blog"], nil), ("x", [], nil), ("a", ["b"], "b"),
        ("", ["shop"], nil),
    ])
    func closestNameIsSuggested(typed: String, names: [String], suggestion: String?) {
        #expect(NameSuggestion.closest(to: typed, among: names) == suggestion)
    }
}
