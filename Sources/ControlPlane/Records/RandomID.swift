// SPDX-License-Identifier: Apache-2.0

/// Identities that are never given out twice: a prefix and 100 random bits in lower-case base32.
enum RandomID {
    private static let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567")

    static func app() -> String { "a-" + random() }
    static func instance() -> String { "i-" + random() }

    private static func random() -> String {
        var generator = SystemRandomNumberGenerator()
        return String((0..<20).map { _ in alphabet[Int(generator.next() & 31)] })
    }
}
