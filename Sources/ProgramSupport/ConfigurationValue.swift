// SPDX-License-Identifier: Apache-2.0

internal import TOMLKit

/// A value of a configuration file.
public enum ConfigurationValue: Hashable, Sendable {
    case string(String)
    case integer(Int)
    case number(Double)
    case boolean(Bool)
    case strings([String])

    /// What the value is, for an error message.
    var kind: String {
        switch self {
        case .string: "a string"
        case .integer: "an integer"
        case .number: "a number"
        case .boolean: "a boolean"
        case .strings: "a list of strings"
        }
    }

    /// The value as a flag or a variable would carry it; nil for a list.
    var text: String? {
        switch self {
        case .string(let text): text
        case .integer(let number): String(number)
        case .number(let number): String(number)
        case .boolean(let flag): flag ? "true" : "false"
        case .strings: nil
        }
    }

    /// Nil for a date, a table, or a list of anything but strings.
    init?(_ value: any TOMLValueConvertible) {
        switch value.type {
        case .string: self.init(value.string.map(ConfigurationValue.string))
        case .int: self.init(value.int.map(ConfigurationValue.integer))
        case .double: self.init(value.double.map(ConfigurationValue.number))
        case .bool: self.init(value.bool.map(ConfigurationValue.boolean))
        case .array:
            guard let array = value.array else { return nil }
            let strings = array.map(\.string)
            guard strings.allSatisfy({ $0 != nil }) else { return nil }
            self = .strings(strings.compactMap { $0 })
        case .table, .date, .time, .dateTime: return nil
        }
    }

    private init?(_ value: ConfigurationValue?) {
        guard let value else { return nil }
        self = value
    }
}
