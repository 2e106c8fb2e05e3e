// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@Suite struct LifecycleRulesTests {
    private func field(_ option: String) throws -> LifecycleRules.Field {
        try #require(LifecycleRules.fields.first { $0.option == option })
    }

    private func rules(_ option: String, _ text: String) throws -> LifecycleRules {
        var rules = LifecycleRules()
        let field = try field(option)
        field.set(try field.parse(text), in: &rules)
        return rules
    }

    /// A field that is missing in the table would be read by nobody.
    @Test func tableHasEveryRuleUnderItsName() {
        let names = Mirror(reflecting: LifecycleRules()).children.compactMap(\.label)
        #expect(LifecycleRules.fields.map(\.name) == names)
        #expect(Set(LifecycleRules.fields.map(\.option)).count == names.count)
    }

    @Test func whatPeopleWriteIsRead() throws {
        #expect(try rules("success-exit-codes", "0, 3").successExitCodes == [0, 3])
        #expect(try rules("start-timeout", "1m30s").startTimeoutSeconds == 90)
        #expect(try rules("backoff", "500ms").backoffSeconds == 0.5)
        #expect(try rules("health-failures", "5").healthFailures == 5)
    }

    @Test(arguments: [
        ("success-exit-codes", "0,x"), ("success-exit-codes", ""), ("start-timeout", "soon"),
        ("health-failures", "1.5"),
    ])
    func whatCannotBeReadNamesTheRule(option: String, text: String) throws {
        let field = try field(option)
        let error = #expect(throws: ValidationError.self) { try field.parse(text) }
        #expect(error?.field == "lifecycle.\(field.name)")
    }

    @Test(arguments: [
        ("no-restart-exit-codes", "256"), ("start-timeout", "10ms"), ("start-timeout", "2h"), ("health-failures", "0"),
        ("backoff", "0s"), ("drain", "61m"),
    ])
    func whatIsOutOfRangeIsRefused(option: String, text: String) throws {
        let rules = try rules(option, text)
        let error = #expect(throws: ValidationError.self) { try rules.validate() }
        #expect(error?.field.hasPrefix("lifecycle.") == true)
    }

    @Test func notANumberIsInNoRange() {
        var rules = LifecycleRules()
        rules.drainSeconds = .nan
        #expect(throws: ValidationError.self) { try rules.validate() }
    }

    @Test func whatIsSetWinsAndTheRestStays() throws {
        var base = LifecycleRules()
        base.drainSeconds = 1
        base.healthFailures = 2
        let merged = base.merged(with: try rules("drain", "9s"))
        #expect(merged.drainSeconds == 9)
        #expect(merged.healthFailures == 2)
        #expect(LifecycleRules().isEmpty && !merged.isEmpty)
    }
}
