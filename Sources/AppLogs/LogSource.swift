// SPDX-License-Identifier: Apache-2.0

/// Who writes: one instance of an app.
///
/// The instance id is the identity, because while a release or a restart is rolled out two instances have the same
/// slot, and with a restart the same release too. Slot and release are what a log line shows.
public struct LogSource: Hashable, Sendable {
    /// Identity of the instance, unique for all time.
    public let instanceID: String
    /// The slot, `web.1`.
    public let instance: String
    /// The release, `v1`.
    public let release: String

    /// Creates a source.
    public init(instanceID: String, instance: String, release: String) {
        self.instanceID = instanceID
        self.instance = instance
        self.release = release
    }

    /// `web.1 v1 ` as it stands in a record: two words, each followed by a space.
    var tag: [UInt8] { Self.word(instance) + Self.word(release) }

    /// Number of the release as an index has it.
    var releaseNumber: UInt32? { IndexEntry.releaseNumber(Array(release.utf8)) }

    /// A word of a record: no space, no control character, never empty, at most 64 bytes.
    private static func word(_ text: String) -> [UInt8] {
        let bytes = text.utf8.prefix(64).map { (0x21...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }
        return (bytes.isEmpty ? [UInt8(ascii: "-")] : bytes) + [UInt8(ascii: " ")]
    }
}
