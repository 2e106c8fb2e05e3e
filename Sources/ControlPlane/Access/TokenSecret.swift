// SPDX-License-Identifier: Apache-2.0

internal import Crypto

/// The text of a token, `paas_ID_SECRET`: 60 random bits to find it by, and 255 that prove it.
///
/// Only SHA-256 of the text is stored. A slow hash would add nothing: there is no list of likely secrets to try.
struct TokenSecret: Hashable {
    static let prefix = "paas_"
    private static let idLength = 12
    private static let secretLength = 51

    let id: String
    let text: String

    /// A new one.
    static func random() -> TokenSecret {
        let id = RandomID.characters(idLength)
        return TokenSecret(id: id, text: "\(prefix)\(id)_\(RandomID.characters(secretLength))")
    }

    /// The id in a token's text; nil when it cannot be a token of the store.
    static func id(in text: String) -> String? {
        let parts = text.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "paas", parts[1].utf8.count == idLength,
            parts[2].utf8.count == secretLength
        else { return nil }
        return String(parts[1])
    }

    /// What is stored: 64 hex digits.
    static func digest(_ text: String) -> String { ControlPlaneService.hex(SHA256.hash(data: Array(text.utf8))) }

    /// The text has this stored digest. Takes the same time wherever the two differ.
    static func matches(_ text: String, digest: String) -> Bool {
        let (left, right) = (Array(Self.digest(text).utf8), Array(digest.utf8))
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
