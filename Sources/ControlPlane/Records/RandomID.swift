// SPDX-License-Identifier: Apache-2.0

/// Identities that are never given out twice: a prefix and 100 random bits in lower-case base32.
enum RandomID {
    private static let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567")

    static func app() -> String { "a-" + characters(20) }
    static func instance() -> String { "i-" + characters(20) }

    /// So many random characters, five bits each, from the system's generator.
    static func characters(_ count: Int) -> String {
        var generator = SystemRandomNumberGenerator()
        return String((0..<count).map { _ in alphabet[Int(generator.next() & 31)] })
    }
}
