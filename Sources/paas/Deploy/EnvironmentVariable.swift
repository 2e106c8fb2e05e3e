// SPDX-License-Identifier: Apache-2.0

/// One variable of an app's environment.
struct EnvironmentVariable: Hashable {
    let key: String
    let value: String

    /// Reads `KEY=VALUE`; the value is everything after the first `=`. Nil when the key is none.
    init?(_ text: String) {
        guard let equals = text.firstIndex(of: "=") else { return nil }
        self.init(key: String(text[..<equals]), value: String(text[text.index(after: equals)...]))
    }

    /// Nil when the key is not one of letters, digits and `_`, not beginning with a digit.
    init?(key: String, value: String) {
        let isName = key.utf8.allSatisfy {
            (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F
        }
        guard let first = key.utf8.first, isName, !(0x30...0x39).contains(first) else { return nil }
        self.key = key
        self.value = value
    }
}
