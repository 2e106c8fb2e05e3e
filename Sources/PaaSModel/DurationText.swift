// SPDX-License-Identifier: Apache-2.0

extension Duration {
    /// Reads a duration as people write it: `500ms`, `10s`, `5m`, `2h`, `1d`, and sums of them such as `1m30s`.
    ///
    /// A bare number is seconds. Nil for anything else.
    public init?(text: String) {
        var rest = Substring(text)
        var total = Duration.zero
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            guard let number = Double(digits), number < 1e9 else { return nil }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(unit.count)
            switch unit {
            case "ms": total += .milliseconds(number)
            case "s": total += .seconds(number)
            case "": guard digits.count == text.count else { return nil }; total += .seconds(number)
            case "m": total += .seconds(number * 60)
            case "h": total += .seconds(number * 3_600)
            case "d": total += .seconds(number * 86_400)
            default: return nil
            }
        }
        self = total
    }

    /// The duration in seconds, as a floating-point number.
    public var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }

    /// The duration for people, in at most two units: `480 ms`, `4.2 s`, `3m 20s`, `2d 4h`.
    public var shortText: String {
        let seconds = inSeconds
        // The bounds are where rounding would reach the next form's first value.
        if seconds < 0.9995 { return "\(Int((seconds * 1000).rounded())) ms" }
        if seconds < 9.95 { let tenths = Int((seconds * 10).rounded()); return "\(tenths / 10).\(tenths % 10) s" }
        let whole = Int(seconds.rounded())
        switch whole {
        case ..<60: return "\(whole) s"
        case ..<3_600: return "\(whole / 60)m \(whole % 60)s"
        case ..<86_400: return "\(whole / 3_600)h \(whole % 3_600 / 60)m"
        default: return "\(whole / 86_400)d \(whole % 86_400 / 3_600)h"
        }
    }
}
