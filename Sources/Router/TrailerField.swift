// SPDX-License-Identifier: Apache-2.0

/// Which fields a trailer section may have, RFC 9110 §6.5.1: none that decides how a message is framed, routed, authenticated, asked for,
/// answered or decoded, for a recipient that merges trailers into the head would let a sender say these things afterwards.
enum TrailerField {
    /// In lower case. Those that the router knows (``FieldName``) are never passed on either.
    private static let kept: Set<String> = [
        // Request modifiers: controls, conditions, negotiation.
        "accept-charset", "accept-encoding", "accept-language", "cache-control", "if-match", "if-modified-since",
        "if-none-match", "if-range", "if-unmodified-since", "max-forwards", "pragma", "range",
        // Authentication and state.
        "authorization", "cookie", "www-authenticate",
        // Control of the answer.
        "age", "expires", "retry-after", "vary", "warning",
        // Format of the content, and the list of trailers itself.
        "content-encoding", "content-range", "content-type", "trailer",
    ]

    /// Whether the field may travel on in a trailer section. `_` counts as `-`, as for ``FieldName/find(_:)``.
    static func mayPass(_ field: FieldLine, _ all: UnsafeRawBufferPointer) -> Bool {
        guard field.known == nil else { return false }
        let name = all[field.name].map { $0 == 0x5F ? 0x2D : ByteClass.lowercased($0) }
        return !kept.contains(String(decoding: name, as: UTF8.self))
    }
}
