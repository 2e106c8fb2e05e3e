// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import GRDB
internal import Glibc
public import PaaSModel

/// The embedded store: one SQLite database in WAL mode, through GRDB.
///
/// `synchronous=FULL`, because NORMAL may lose the last commits when the power fails, and what was acknowledged
/// must be on disk. One process writes at a time (the home's lock file sees to that).
public final class SQLiteStore: KeyValueStore {
    /// Changes that are kept for watches to resume from, unless told otherwise.
    public static let defaultHistory = 10_000

    private let pool: DatabasePool
    private let hub = WatchHub()
    private let history: Int
    private let path: String

    /// Opens a database, creating it and its directory (mode 0700) when needed, and migrates its schema.
    ///
    /// - Parameters:
    ///   - path: the database file.
    ///   - history: changes kept for watches, at least 1. Up to a tenth more are kept between two compactions.
    /// - Throws: `StoreError.cannotOpen`.
    public init(path: String, history: Int = SQLiteStore.defaultHistory) throws(StoreError) {
        self.history = max(1, history)
        self.path = path
        do {
            let directory = URL(filePath: path).deletingLastPathComponent().path
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            var configuration = Configuration()
            configuration.busyMode = .timeout(5)
            configuration.maximumReaderCount = 4
            pool = try DatabasePool(path: path, configuration: configuration)
            try Self.requireFullSynchronous(pool)
            try pool.read { try Self.requireKnownSchema($0, path) }
            try Self.migrator.migrate(pool)
        } catch let error as StoreError {
            throw error
        } catch {
            throw .cannotOpen(path: path, reason: Self.reason(error))
        }
    }

    public func close() throws {
        hub.close()
        do { try pool.close() } catch { throw StoreError.failed(operation: "close", reason: Self.reason(error)) }
    }

    public func revision() async throws -> Int64 {
        try await reading { db in try Self.revision(db) }
    }

    public func get(_ key: String) async throws -> KeyValue? {
        try await reading { db in
            let statement = try db.cachedStatement(
                sql: "SELECT key, value, createRevision, modRevision FROM keyValue WHERE key = ?")
            return try Row.fetchOne(statement, arguments: [key]).map(Self.keyValue)
        }
    }

    public func read(_ ranges: [KeyRange]) async throws -> RangeResult {
        try await reading { db in
            RangeResult(
                revision: try Self.revision(db), ranges: try ranges.map { try Self.rows(of: $0, db) })
        }
    }

    public func transaction(_ comparisons: [Comparison], _ operations: [StoreOperation]) async throws -> Int64? {
        let history = history
        let hub = hub
        return try await writing { db in
            guard try comparisons.allSatisfy({ try Self.holds($0, db) }) else { return nil }
            let current = try Self.revision(db)
            guard !operations.isEmpty else { return current }
            try db.execute(sql: "UPDATE store SET revision = ?", arguments: [current + 1])
            for operation in operations { try Self.apply(operation, revision: current + 1, db) }
            try Self.compact(keeping: history, db)
            // In the commit itself, because the caller's task may be cancelled before it sees the result.
            db.afterNextTransaction { _ in hub.notify(operations.map(\.key)) }
            return current + 1
        }
    }

    public func requireHistory(after revision: Int64) async throws {
        _ = try await reading { db in try Self.requireHistory(after: revision, db) }
    }

    public func check() async throws -> StoreCheck {
        let size = ["", "-wal"].reduce(into: Int64(0)) { sum, suffix in
            // The log is there only while somebody has the database open.
            sum += FileSize.bytes(of: path + suffix) ?? 0
        }
        return try await reading { db in
            StoreCheck(
                problems: try Self.integrityProblems(db), revision: try Self.revision(db), sizeBytes: size)
        }
    }

    public func watch(_ prefixes: [String], after revision: Int64) -> WatchSequence {
        WatchSequence(start: revision, wakeups: { [hub] in hub.subscribe(prefixes) }) { [self] after in
            try await reading { db in try Self.historyPage(prefixes, after: after, db) }
        }
    }
}

extension SQLiteStore {
    private func reading<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws -> Value
    {
        do {
            return try await pool.read(body)
        } catch let error as StoreError {
            throw error
        } catch let error as CancellationError {
            throw error
        } catch {
            throw StoreError.failed(operation: "read", reason: Self.reason(error))
        }
    }

    /// Runs a body in BEGIN IMMEDIATE, so that a lock is waited for at the begin and not met in the middle.
    private func writing<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws -> Value
    {
        do {
            return try await pool.writeWithoutTransaction { db in
                var result: Value?
                try db.inTransaction(.immediate) {
                    result = try body(db)
                    return .commit
                }
                guard let result else { throw StoreError.failed(operation: "write", reason: "no result") }
                return result
            }
        } catch let error as StoreError {
            throw error
        } catch let error as CancellationError {
            throw error
        } catch {
            throw StoreError.failed(operation: "write", reason: Self.reason(error))
        }
    }

    /// The engine's reason without its arguments, which may hold secrets.
    static func reason(_ error: any Error) -> String {
        guard let error = error as? DatabaseError else { return "\(error)" }
        return "\(error.message ?? "SQLite error") (\(error.extendedResultCode.rawValue))"
    }
}

extension StoreOperation {
    var isDeletion: Bool {
        if case .delete = self { true } else { false }
    }

    var key: String {
        switch self {
        case .put(let key, _), .delete(let key): key
        }
    }
}
