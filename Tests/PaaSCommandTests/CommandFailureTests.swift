// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import PaaSClient
import PaaSModel
import ProgramSupport
import Testing

@testable import paas

@Suite struct CommandFailureTests {
    private func problem(_ status: Int, _ slug: String = "x") -> ClientError {
        .problem(Problem(type: "/problems/\(slug)", title: "", status: status, detail: "why"))
    }

    @Test func everyErrorHasItsExitCode() {
        #expect(CommandFailure(ClientError.unreachable(address: "a", cause: "c"))?.code == 69)
        #expect(CommandFailure(problem(401))?.code == 77)
        #expect(CommandFailure(problem(403))?.code == 77)
        #expect(CommandFailure(problem(404, "app-not-found"))?.code == 4)
        #expect(CommandFailure(problem(404, "release-not-found"))?.code == 1)
        #expect(CommandFailure(problem(409))?.code == 1)
        #expect(CommandFailure(problem(422))?.code == 64)
        #expect(CommandFailure(problem(503))?.code == 1)
        #expect(CommandFailure(ClientError.invalidEndpoint("x"))?.code == 64)
        #expect(CommandFailure(ClientError.protocolError("x"))?.code == 1)
        #expect(CommandFailure(PaaSModel.ValidationError(field: "f", message: "m"))?.code == 64)
        #expect(CommandFailure(ConfigurationError(source: "paas.toml", line: 3, message: "m"))?.code == 64)
        #expect(CommandFailure(CancellationError())?.code == 130)
    }

    @Test func unreachableNamesTheAddressAndTheNextStep() {
        let failure = CommandFailure(ClientError.unreachable(address: "unix:/x.sock", cause: "connection refused"))
        #expect(failure?.message == "cannot reach the control plane at unix:/x.sock: connection refused")
        #expect(failure?.hint?.contains("is paasd running?") == true)
    }

    @Test(arguments: [
        ["deploy", "--memory", "lots", "x"], ["deploy", "--no-such-flag"], ["logs"], ["logs", "a", "-n", "10001"],
        ["scale", "a", "-1"], ["no-such-command"], ["status", "a", "b"], ["deploy", "-e", "novalue"],
        ["logs", "a", "--since", "yesterday"], ["rollback", "a", "first"],
    ])
    func wrongUsageExitsWith64(arguments: [String]) {
        let error = #expect(throws: (any Error).self) { try PaaSCommand.parseAsRoot(arguments) }
        guard let error else { return }
        #expect(CommandFailure(error) == nil)
        #expect(PaaSCommand.exitCode(for: error).rawValue == 64)
    }

    @Test func secretOnTheCommandLineIsNotRepeated() {
        let error = #expect(throws: (any Error).self) { try PaaSCommand.parseAsRoot(["deploy", "-e", "1A=geheim"]) }
        #expect(error.map { PaaSCommand.message(for: $0).contains("geheim") } == false)
    }

    @Test(arguments: [
        ["deploy", "python3 -m http.server $PORT", "--name", "x", "-e", "A=1", "--env-file", "f", "--memory", "256M"],
        ["deploy", "--cpu", "0.5", "--pids", "64", "--disk", "1G", "--instances", "2", "--health-path", "/p"],
        ["deploy", "--restart", "on-failure", "--network", "egress", "--sandbox", "strict", "--no-wait"],
        ["deploy", "--source", ".", "--wait-timeout", "60s", "--json"], ["ps"], ["status", "a", "--watch", "--json"],
        ["logs", "a", "-f", "-n", "100", "--since", "10m", "--stream", "stdout", "--release", "v3"],
        ["logs", "a", "--until", "2026-01-02T03:04:05Z"], ["destroy", "a", "--yes"], ["start", "a", "--no-wait"],
        ["scale", "a", "3"], ["rollback", "a", "v2"], ["releases", "a"], ["events", "a", "-f"],
        ["status", "--url", "http://127.0.0.1:7070", "--token", "t", "--home", "/h", "--config", "c"],
    ])
    func commandLinesOfTheContractAreUnderstood(arguments: [String]) throws {
        _ = try PaaSCommand.parseAsRoot(arguments)
    }
}
