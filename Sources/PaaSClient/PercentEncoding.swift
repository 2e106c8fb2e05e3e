// SPDX-License-Identifier: Apache-2.0

/// Percent-encoding of one component of a URL, RFC 3986 §2.
enum PercentEncoding {
    /// Everything but unreserved characters encoded, so that `/`, `?`, `#`, `.` and `..` cannot change a path.
    static func component(_ text: String) -> String {
        // A component of dots only would be taken as a relative path by RFC 3986 §5.2.4, even by servers in between.
        if text == "." { return "%2E" }
        if text == ".." { return "%2E%2E" }
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case 0x41...0x5A, 0x61...0x7A, 0x30...0x39, 0x2D, 0x2E, 0x5F, 0x7E:
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                result += digits.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return result
    }

    /// `?a=b&c=d` of the pairs that have a value; empty without any.
    static func query(_ pairs: [(name: String, value: String?)]) -> String {
        let present = pairs.compactMap { pair in pair.value.map { "\(component(pair.name))=\(component($0))" } }
        return present.isEmpty ? "" : "?" + present.joined(separator: "&")
    }
}
