// SPDX-License-Identifier: Apache-2.0

/// A failure of the store. Messages never contain a stored value.
public enum StoreError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The database could not be opened: path and reason.
    case cannotOpen(path: String, reason: String)
    /// Reading or writing failed; the reason is the engine's own.
    case failed(operation: String, reason: String)
    /// A watch asked for changes that are no longer kept; the oldest that are come after `revision`.
    case compacted(revision: Int64)
    /// A stored record cannot be read by this version.
    case unreadable(key: String, reason: String)
    /// The store was closed.
    case closed

    /// One sentence.
    public var description: String {
        switch self {
        case .cannotOpen(let path, let reason):
            "cannot open the database \(path): \(reason); check the path, its permissions and the free space"
        case .failed(let operation, let reason):
            "the store could not \(operation): \(reason); check the disk's free space and health"
        case .compacted(let revision):
            "changes up to revision \(revision) are no longer kept; read the present state and watch from there"
        case .unreadable(let key, let reason):
            "the stored record \(key) cannot be read: \(reason); was it written by a newer version?"
        case .closed: "the store is closed"
        }
    }
}
