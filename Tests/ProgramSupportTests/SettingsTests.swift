// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Logging
import PaaSModel
import ProgramSupport
import Testing

struct SettingsTests {
    private func settings(environment: [String: String] = [:], file: String? = nil) throws -> Settings {
        let keys = CommonOptions.configurationKeys.union(["listen"])
        let parsed = try file.map { try ConfigurationFile(text: $0, path: "x.toml", allowedKeys: keys) }
        return Settings(environment: environment, file: parsed)
    }

    @Test func flagWinsOverEnvironmentWinsOverFile() throws {
        let all = try settings(environment: ["PAAS_LISTEN": "env"], file: "listen = 'file'")
        #expect(try all.text("listen", flag: "flag") == "flag")
        #expect(try all.text("listen", flag: nil) == "env")
        #expect(try settings(file: "listen = 'file'").text("listen", flag: nil) == "file")
        #expect(
            try settings(environment: ["PAAS_LISTEN": ""], file: "listen = 'file'").text("listen", flag: nil) == "file")
        #expect(try settings().text("listen", flag: nil) == nil)
    }

    @Test func anInvalidSettingNamesItsSource() throws {
        func error(_ settings: Settings, flag: String?) -> ConfigurationError? {
            #expect(throws: ConfigurationError.self) {
                try settings.value("listen", flag: flag) { try HostPort(validating: $0, field: $1) }
            }
        }
        #expect(error(try settings(), flag: "x")?.source == "--listen")
        #expect(error(try settings(environment: ["PAAS_LISTEN": "x"]), flag: nil)?.source == "PAAS_LISTEN")
        let fromFile = error(try settings(file: "\nlisten = 'x'"), flag: nil)
        #expect(fromFile?.source == "x.toml")
        #expect(fromFile?.line == 2)
    }

    @Test func homeComesFromFlagThenEnvironmentThenFileThenDefault() throws {
        var options = try CommonOptions.parse([])
        let environment = ["PAAS_HOME": "/env"]
        #expect(try options.resolveHome(settings(environment: environment)).root == "/env")
        #expect(try options.resolveHome(settings(file: "home = '/file'")).root == "/file")
        #expect(try options.resolveHome(settings()).root.hasSuffix("/mini-paas"))
        options = try CommonOptions.parse(["--home", "/flag"])
        #expect(try options.resolveHome(settings(environment: environment)).root == "/flag")
        options = try CommonOptions.parse(["--home", "relative"])
        #expect(try options.resolveHome(settings()).root.hasPrefix("/"))
    }

    @Test func anUnknownLogLevelListsTheKnownOnes() throws {
        let options = try CommonOptions.parse(["--log-level", "loud"])
        let error = #expect(throws: ConfigurationError.self) { try options.resolveLogLevel(settings()) }
        #expect(error?.description.contains("notice") == true)
        #expect(try CommonOptions.parse(["--log-level", "DEBUG"]).resolveLogLevel(settings()) == .debug)
    }
}
