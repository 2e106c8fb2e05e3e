// SPDX-License-Identifier: Apache-2.0

/// Text in Prometheus' exposition format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats). Families come out
/// in the order in which they were begun, each with its samples together, whatever order those were added in.
struct Exposition {
    /// The `TYPE` of a family.
    enum Kind: String { case counter, gauge, histogram }

    /// What `Content-Type` says.
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private struct Family {
        let kind: Kind
        let help: String
        var samples: [String] = []
    }

    private var order: [String] = []
    private var families: [String: Family] = [:]

    /// Adds one sample; nil adds nothing, so that what a machine does not count is absent and never 0.
    ///
    /// - Parameters:
    ///   - name: the family's; its first sample fixes kind and help.
    ///   - suffix: `_bucket`, `_sum` or `_count` of a histogram.
    ///   - labels: in the order in which they are written; values may be any text.
    mutating func add(
        _ name: String, _ kind: Kind, _ help: String, suffix: String = "", labels: [(String, String)] = [],
        _ value: Double?
    ) {
        guard let value else { return }
        if families[name] == nil {
            order.append(name)
            families[name] = Family(kind: kind, help: help)
        }
        let text = labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
        families[name]?.samples.append("\(name)\(suffix)\(text.isEmpty ? "" : "{\(text)}") \(Self.number(value))")
    }

    /// Everything, each line with its newline.
    var text: String {
        order.reduce(into: "") { text, name in
            guard let family = families[name] else { return }
            text += "# HELP \(name) \(family.help)\n# TYPE \(name) \(family.kind.rawValue)\n"
            for sample in family.samples { text += sample + "\n" }
        }
    }

    /// A label's value: backslash, quote and line feed are escaped.
    static func escaped(_ value: String) -> String {
        var result = ""
        for character in value.unicodeScalars {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }

    /// Go's ParseFloat reads it.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        // Above 2^53 a Double holds no odd numbers any more.
        if value == value.rounded(), abs(value) < 9_007_199_254_740_992 { return String(Int64(value)) }
        return "\(value)"
    }
}
