// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import ProgramSupport
import Testing

@testable import paas

@Suite struct AppManifestTests {
    private func error(_ text: String) -> String? {
        #expect(throws: ConfigurationError.self) { try AppManifest(text: text, path: "paas.toml") }?.description
    }

    @Test func everyKeyReachesItsField() throws {
        let spec = try AppManifest(
            text: """
                name = "shop"
                command = ["./server", "-v"]
                instances = 2
                restart = "on-failure"
                network = "host"
                sandbox = "strict"
                stop-signal = "SIGINT"
                stop-grace = "1m"
                [env]
                MODE = "production"
                WORKERS = 4
                [limits]
                memory = "256M"
                cpu = 0.5
                pids = 64
                disk = "1G"
                [health]
                path = "/healthz"
                """, path: "paas.toml"
        ).spec
        var wanted = AppSpec()
        wanted.name = AppName(rawValue: "shop")
        wanted.command = .exec(["./server", "-v"])
        wanted.instances = 2
        wanted.restart = .onFailure
        wanted.network = .host
        wanted.sandbox = .strict
        wanted.stopSignal = .interrupt
        wanted.stopGraceSeconds = 60
        wanted.env = ["MODE": "production", "WORKERS": "4"]
        wanted.limits = Limits(memoryBytes: 256 << 20, cpu: 0.5, pids: 64, diskBytes: 1 << 30)
        wanted.healthPath = "/healthz"
        #expect(spec == wanted)
    }

    @Test func stringCommandIsForTheShell() throws {
        #expect(try AppManifest(text: "command = 'a && b'", path: "p").spec.command == .shell("a && b"))
    }

    @Test func emptyFileSetsNothing() throws {
        #expect(try AppManifest(text: "", path: "p").spec == AppSpec())
    }

    @Test(arguments: [
        ("name = 'a'\ncomand = 'x'\n", "paas.toml:2: unknown key 'comand'"),
        ("[limits]\nmemory = '1G'\nmem = '1G'\n", "paas.toml:3: unknown key 'limits.mem'"),
        ("\n[healthy]\npath = '/'\n", "paas.toml:2: unknown key 'healthy'"),
    ])
    func unknownKeyIsAnErrorThatNamesTheLine(text: String, message: String) {
        #expect(error(text)?.hasPrefix(message) == true)
    }

    @Test(arguments: [
        ("name = 'My App'", "paas.toml:1: 'name' 'My App' has a character"),
        ("command = 7", "paas.toml:1: 'command' is an integer"),
        ("restart = 'sometimes'", "is not one of always, on-failure, never"),
        ("[limits]\nmemory = 'lots'", "paas.toml:2: 'limits.memory' is not a size"),
        ("stop-grace = 'long'", "is not a duration"),
        ("health-path = '/a'\n[health]\npath = '/b'", "is set twice"),
        ("name = ", "paas.toml:1: is not valid TOML"),
    ])
    func badValueNamesKeyAndLine(text: String, message: String) {
        #expect(error(text)?.contains(message) == true, "\(error(text) ?? "")")
    }

    @Test func procfileGivesItsWebCommand() {
        #expect(Procfile.webCommand(in: "worker: ./w\nweb:  ./server -p $PORT \n") == "./server -p $PORT")
        #expect(Procfile.webCommand(in: "web : ./a: b\r\n") == "./a: b")
        #expect(Procfile.webCommand(in: "worker: ./w\n#web: x\n") == nil)
        #expect(Procfile.webCommand(in: "web:\n") == nil)
    }
}
