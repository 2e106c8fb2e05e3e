// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import ControlPlane

struct AppPatchTests {
    private func patch(_ json: String) throws -> AppPatch { try AppPatch(json: Array(json.utf8)) }

    private let base = ReleaseSpec(
        command: .shell("./a"), env: ["A": "1", "B": "2"], limits: Limits(memoryBytes: 1 << 28, cpu: 0.5),
        healthPath: "/healthz", network: .host)

    @Test func absentFieldsKeepTheirValue() throws {
        #expect(try patch("{}").applied(to: base) == base)
    }

    @Test func nullTakesAnOptionalFieldAway() throws {
        let result = try patch(#"{"healthPath": null, "network": null, "limits": {"memoryBytes": null}}"#)
            .applied(to: base)
        #expect(result.healthPath == nil)
        #expect(result.network == nil)
        #expect(result.limits == Limits(cpu: 0.5))
    }

    @Test func everyLimitCanBeSetAndTakenAway() throws {
        let fields = Limits.fields.filter { $0.name != "cpuBurst" && $0.name != "memoryHighBytes" }
        let set = fields.map { "\"\($0.name)\": \($0.unit == .count ? "7" : $0.unit == .cores ? "0.5" : "4194304")" }
        let full = try patch("{\"limits\": {\(set.joined(separator: ","))}}").applied(to: base)
        #expect(fields.allSatisfy { $0.text(full.limits) != nil })
        let cleared = fields.map { "\"\($0.name)\": null" }
        #expect(try patch("{\"limits\": {\(cleared.joined(separator: ","))}}").applied(to: full).limits.isEmpty)
    }

    @Test func nullLimitsAndEnvironmentTakeAllAway() throws {
        let result = try patch(#"{"limits": null, "env": null}"#).applied(to: base)
        #expect(result.limits == Limits())
        #expect(result.env.isEmpty)
    }

    @Test func environmentIsMergedKeyByKey() throws {
        let result = try patch(#"{"env": {"A": null, "B": "3", "C": "4"}}"#).applied(to: base)
        #expect(result.env == ["B": "3", "C": "4"])
    }

    @Test(arguments: [
        (#"{"naem": "x"}"#, "naem"), (#"{"limits": {"memory": 1}}"#, "limits.memory"),
        (#"{"command": null}"#, "command"),
        (#"{"name": null}"#, "name"), (#"{"name": "UPPER"}"#, "name"), (#"{"instances": "two"}"#, "instances"),
        (#"{"instances": 1.5}"#, "instances"), (#"{"restart": "sometimes"}"#, "restart"),
        (#"{"command": 5}"#, "command"),
        (#"{"env": {"A": 5}}"#, "env.A"), (#"{"limits": 7}"#, "limits"),
        (#"{"stopGraceSeconds": "x"}"#, "stopGraceSeconds"),
    ])
    func whatIsWrongIsNamed(json: String, field: String) {
        let error = #expect(throws: ValidationError.self) { try patch(json) }
        #expect(error?.field == field)
        #expect(error?.message.isEmpty == false)
    }

    @Test(arguments: [
        "", " ", "{", "[]", "5", "nul", #"{"a": 1,}"#, "{\"a\": \"\u{1}\"}", #"{"name": "\uD800"}"#, #"{"a": 01}"#,
        #"{"a": +1}"#, #"{"a": 1.}"#, #"{"a": "\x"}"#, #"{'a': 1}"#, #"{"a": 1} x"#, #"{"a" 1}"#, #"{"a": "open"#,
        #"{"a": NaN}"#,
    ])
    func whatIsNotAJSONObjectIsMalformed(json: String) {
        let error = #expect(throws: Problem.self) { try patch(json) }
        #expect(error?.status == 400)
    }

    @Test func malformedJSONNamesThePosition() {
        let error = #expect(throws: Problem.self) { try patch("{\n  \"name\": oops\n}") }
        #expect(error?.detail.contains("line 2, column 11") == true, "\(error?.detail ?? "")")
    }

    @Test func bytesThatAreNotUTF8AreMalformedAtTheirPlace() {
        let error = #expect(throws: Problem.self) { try AppPatch(json: Array("{\n\"é".utf8) + [0xFF, 0x22]) }
        #expect(error?.detail.contains("line 2") == true, "\(error?.detail ?? "")")
    }

    @Test(arguments: [
        #" {"env": {"A": "\u00e9\ud83d\ude00\n"}, "stopGraceSeconds": -0.5e+1, "limits": {}} "#, "{}", "\t{\r\n}",
    ])
    func everyValidFormIsRead(json: String) throws {
        _ = try patch(json)
    }

    @Test func deepNestingIsRefused() {
        let json = String(repeating: #"{"limits":"#, count: 5_000) + "1" + String(repeating: "}", count: 5_000)
        let error = #expect(throws: Problem.self) { try patch(json) }
        #expect(error?.detail.contains("nested deeper") == true)
    }

    @Test func anUnknownWordListsTheKnownOnes() {
        let error = #expect(throws: ValidationError.self) { try patch(#"{"network": "open"}"#) }
        #expect(error?.message == "'open' is not one of isolated, egress, host")
    }
}
