// SPDX-License-Identifier: Apache-2.0

/// A message that cannot be read in exactly one way, or that is larger than allowed. Its connection is closed.
struct FramingError: Error, Equatable {
    /// The answer when a client sent it; an app's bad message is always 502.
    var status: Int
    /// One sentence for the sender.
    var detail: String

    static func malformed(_ detail: String) -> FramingError { FramingError(status: 400, detail: detail) }
    static let targetTooLong = FramingError(status: 414, detail: "The request target is too long.")
    static let headTooLarge = FramingError(status: 431, detail: "The head of the message is too large.")
    static let tooManyFields = FramingError(status: 431, detail: "The head of the message has too many fields.")
}
