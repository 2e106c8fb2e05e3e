// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import Router

struct RouterSettingTests {
    private func setting(_ name: String) throws -> RouterSetting {
        try #require(RouterSetting.all.first { $0.name == name })
    }

    @Test func aSettingChangesWhatItNames() throws {
        var configuration = RouterConfiguration()
        try setting("head-size").set("16K", in: &configuration)
        try setting("head-fields").set("50", in: &configuration)
        try setting("head-timeout").set("1500ms", in: &configuration)
        try setting("requests-per-app").set("7", in: &configuration)
        try setting("body-rate").set("0", in: &configuration)
        #expect(configuration.bodyRate == 0)
        #expect(configuration.limits.requestHeadBytes == 16_384)
        #expect(configuration.limits.fieldCount == 50)
        #expect(configuration.headTimeout == .milliseconds(1_500))
        #expect(configuration.limits.requestsPerApp == 7)
    }

    @Test(arguments: [
        ("head-size", "1"), ("head-size", "2M"), ("head-size", "many"), ("head-fields", "-1"), ("head-fields", "1.5"),
        ("head-timeout", "0s"), ("head-timeout", "1d"), ("head-timeout", "soon"), ("body-rate", "2G"),
        ("connections", "0"),
    ])
    func whatMakesNoSenseIsRefusedByNameAndRange(_ name: String, _ text: String) throws {
        let setting = try setting(name)
        var configuration = RouterConfiguration()
        let error = #expect(throws: ValidationError.self) { try setting.set(text, in: &configuration) }
        #expect(error?.field == "router-limit.\(name)")
        #expect(error?.message.contains(" to ") == true)
    }

    @Test func everySettingHasANameOfItsOwn() {
        #expect(Set(RouterSetting.all.map(\.name)).count == RouterSetting.all.count)
    }
}
