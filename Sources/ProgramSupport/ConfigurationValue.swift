// SPDX-License-Identifier: Apache-2.0

internal import TOMLKit

/// A value of a configuration file.
public enum ConfigurationValue: Hashable, Sendable {
    case string(String)
    case integer(Int)
    case number(Double)
    case boolean(Bool)
    case strings([String])
    case integers([Int])

    /// What the value is, for an error message.
    var kind: String {
        switch self {
        case .string: "a string"
        case .integer: "an integer"
        case .number: "a number"
        case .boolean: "a boolean"
        case .strings: "a list of strings"
        case .integers: "a list of integers"
        }
    }

    /// The value as a flag or a variable would carry it; nil for a list.
    var text: String? {
        switch self {
        case .string(let text): text
        case .integer(let number): String(number)
        case .number(let number): String(number)
        case .boolean(let flag): flag ? "true" : "false"
        case .strings, .integers: nil
        }
    }

    /// Nil for a date, a table, or a list of anything but strings or integers. An empty list is one of strings.
    init?(_ value: any TOMLValueConvertible) {
        switch value.type {
        case .string: self.init(value.string.map(ConfigurationValue.string))
        case .int: self.init(value.int.map(ConfigurationValue.integer))
        case .double: self.init(value.double.map(ConfigurationValue.number))
        case .bool: self.init(value.bool.map(ConfigurationValue.boolean))
        case .array:
            guard let array = value.array else { return nil }
            let strings = array.compactMap(\.string)
            let integers = array.compactMap { $0.type == .int ? $0.int : nil }
            if strings.count == array.count {
                self = .strings(strings)
            } else if integers.count == array.count {
                self = .integers(integers)
            } else {
                return nil
            }
        case .table, .date, .time, .dateTime: return nil
        }
    }

    private init?(_ value: ConfigurationValue?) {
        guard let value else { return nil }
        self = value
    }
}
