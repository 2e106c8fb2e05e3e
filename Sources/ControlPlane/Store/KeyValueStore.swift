// SPDX-License-Identifier: Apache-2.0

public import PaaSModel

/// The one interface to durable state, in the shape of etcd's: revisioned keys, compare-and-set transactions, and
/// watches that resume from a revision.
///
/// Every transaction that changes something raises the store's revision by one; all its changes carry that
/// revision. What a call has returned is on disk. Nothing about the engine behind it (SQL, files, a cluster) shows
/// here, so that another one can take SQLite's place.
public protocol KeyValueStore: Sendable {
    /// The revision of the newest transaction; 0 for an empty store.
    ///
    /// - Throws: `StoreError`.
    func revision() async throws -> Int64

    /// The value of one key, nil when it does not exist.
    ///
    /// - Throws: `StoreError`.
    func get(_ key: String) async throws -> KeyValue?

    /// Keys of several ranges as of one revision, each range in the order of its keys.
    ///
    /// - Returns: one list per range, and the revision that all of them belong to.
    /// - Throws: `StoreError`.
    func read(_ ranges: [KeyRange]) async throws -> RangeResult

    /// Applies all operations when every comparison holds, and none otherwise.
    ///
    /// - Returns: the new revision; the current one when there are no operations; nil when a comparison failed.
    /// - Throws: `StoreError`; then nothing was applied.
    func transaction(_ comparisons: [Comparison], _ operations: [StoreOperation]) async throws -> Int64?

    /// Changes after a revision to keys that begin with one of the prefixes, as they come.
    ///
    /// Ends when the iterating task is cancelled. Throws `StoreError.compacted` when changes after the revision are
    /// no longer kept: read the present state and watch from its revision.
    func watch(_ prefixes: [String], after revision: Int64) -> WatchSequence

    /// Changes after a revision are kept, so that a watch can go on from it.
    ///
    /// - Throws: `StoreError.compacted` when they are not, or when the revision is yet to come.
    func requireHistory(after revision: Int64) async throws

    /// Examines the whole store; takes as long as reading it does.
    ///
    /// - Throws: `StoreError` when it cannot be examined.
    func check() async throws -> StoreCheck

    /// Closes the store: later calls throw, open watches end.
    func close() throws
}

/// A key with its value.
public struct KeyValue: Hashable, Sendable {
    /// The key, `/apps/a-1`.
    public var key: String
    /// The value.
    public var value: [UInt8]
    /// The revision of the transaction that created the key.
    public var createRevision: Int64
    /// The revision of the transaction that last wrote the key.
    public var modRevision: Int64

    /// Creates an entry.
    public init(key: String, value: [UInt8], createRevision: Int64, modRevision: Int64) {
        self.key = key
        self.value = value
        self.createRevision = createRevision
        self.modRevision = modRevision
    }
}

/// Which keys to read.
public struct KeyRange: Hashable, Sendable {
    /// Keys begin with this.
    public var prefix: String
    /// Keys come after this one, exclusive, in the order of reading; nil begins at the first.
    public var after: String?
    /// At most so many keys; nil for all.
    public var limit: Int?
    /// Highest keys first.
    public var descending: Bool

    /// Creates a range.
    public init(prefix: String, after: String? = nil, limit: Int? = nil, descending: Bool = false) {
        self.prefix = prefix
        self.after = after
        self.limit = limit
        self.descending = descending
    }
}

/// What ``KeyValueStore/read(_:)`` found.
public struct RangeResult: Hashable, Sendable {
    /// The revision of the whole result.
    public var revision: Int64
    /// One list per range, in the order of the ranges.
    public var ranges: [[KeyValue]]

    /// Creates a result.
    public init(revision: Int64, ranges: [[KeyValue]]) {
        self.revision = revision
        self.ranges = ranges
    }
}

/// A condition of a transaction.
public enum Comparison: Hashable, Sendable {
    /// The key was last written at this revision.
    case modRevision(key: String, equals: Int64)
    /// The key does not exist.
    case absent(key: String)
}

/// A change that a transaction makes.
public enum StoreOperation: Hashable, Sendable {
    /// Creates or replaces a key.
    case put(key: String, value: [UInt8])
    /// Removes a key; nothing happens when it does not exist.
    case delete(key: String)
}

/// A change that a watch reports.
public struct StoreChange: Hashable, Sendable {
    /// The key.
    public var key: String
    /// Its new value; nil when it was deleted.
    public var value: [UInt8]?
    /// The revision of the transaction.
    public var revision: Int64

    /// Creates a change.
    public init(key: String, value: [UInt8]?, revision: Int64) {
        self.key = key
        self.value = value
        self.revision = revision
    }
}
