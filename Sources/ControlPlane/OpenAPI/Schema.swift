// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// JSON Schema 2020-12, as OpenAPI 3.1 uses it.
enum Schema {
    /// Text of so many characters; a pattern is anchored by its author.
    static func text(_ range: ClosedRange<Int>? = nil, pattern: String? = nil, format: String? = nil) -> JSONValue {
        var fields: [String: JSONValue] = ["type": "string"]
        if let range {
            fields["minLength"] = .number(Double(range.lowerBound))
            fields["maxLength"] = .number(Double(range.upperBound))
        }
        if let pattern { fields["pattern"] = .string(pattern) }
        if let format { fields["format"] = .string(format) }
        return .object(fields)
    }

    /// A whole number.
    static func integer(_ range: ClosedRange<Int64>? = nil) -> JSONValue {
        guard let range else { return ["type": "integer"] }
        return [
            "type": "integer", "minimum": .number(Double(range.lowerBound)),
            "maximum": .number(Double(range.upperBound)),
        ]
    }

    /// A number.
    static func number(_ range: ClosedRange<Double>? = nil) -> JSONValue {
        guard let range else { return ["type": "number"] }
        return ["type": "number", "minimum": .number(range.lowerBound), "maximum": .number(range.upperBound)]
    }

    /// One of some words.
    static func words<Word: RawRepresentable & CaseIterable>(_ type: Word.Type) -> JSONValue
    where Word.RawValue == String {
        words(Word.allCases.map(\.rawValue))
    }

    /// One of some words.
    static func words(_ all: [String]) -> JSONValue { ["type": "string", "enum": .array(all.map(JSONValue.string))] }

    /// A list.
    static func list(_ items: JSONValue, upTo count: Int64? = nil) -> JSONValue {
        let list: JSONValue = ["type": "array", "items": items]
        return count.map { list.adding(["maxItems": .number(Double($0))]) } ?? list
    }

    /// Something or null.
    static func orNull(_ schema: JSONValue) -> JSONValue { ["anyOf": [schema, ["type": "null"]]] }

    /// A schema of `components/schemas`.
    static func named(_ name: String) -> JSONValue { ["$ref": "#/components/schemas/\(name)"] }

    /// What an answer holds. Later versions may add fields, so others are not excluded.
    static func answer(_ required: [String: JSONValue], optional: [String: JSONValue] = [:]) -> JSONValue {
        [
            "type": "object", "properties": .object(required.merging(optional) { own, _ in own }),
            "required": .array(required.keys.sorted().map(JSONValue.string)),
        ]
    }

    /// What a request holds: these fields and no others.
    static func body(_ properties: [String: JSONValue], required: [String] = []) -> JSONValue {
        let closed: JSONValue = [
            "type": "object", "properties": .object(properties), "additionalProperties": false,
        ]
        return required.isEmpty ? closed : closed.adding(["required": .array(required.map(JSONValue.string))])
    }

    /// A time, RFC 3339.
    static let time = text(format: "date-time")
    static let boolean: JSONValue = ["type": "boolean"]
    static let string: JSONValue = ["type": "string"]
    static let sha256 = text(pattern: "^[0-9a-f]{64}$")
    static let appName = text(1...63, pattern: "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    static let release = text(pattern: "^v[1-9][0-9]{0,8}$")
}
