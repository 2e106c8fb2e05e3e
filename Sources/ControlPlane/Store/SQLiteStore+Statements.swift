// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import GRDB

/// Every SQL statement of the project stands in this file.
extension SQLiteStore {
    static let firstMigration = "1-revisioned-keys"

    /// Versions of the schema; a released one never changes.
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration(firstMigration) { db in
            try db.execute(
                sql: """
                    CREATE TABLE store (
                        id INTEGER PRIMARY KEY CHECK (id = 0),
                        revision INTEGER NOT NULL,
                        compacted INTEGER NOT NULL);
                    INSERT INTO store (id, revision, compacted) VALUES (0, 0, 0);
                    CREATE TABLE keyValue (
                        key TEXT PRIMARY KEY NOT NULL,
                        value BLOB NOT NULL,
                        createRevision INTEGER NOT NULL,
                        modRevision INTEGER NOT NULL);
                    CREATE TABLE history (
                        id INTEGER PRIMARY KEY,
                        revision INTEGER NOT NULL,
                        key TEXT NOT NULL,
                        value BLOB);
                    CREATE INDEX historyByRevision ON history (revision);
                    """)
        }
        return migrator
    }

    /// - Throws: `StoreError` for a database that a later version has migrated further.
    static func requireKnownSchema(_ db: Database, _ path: String) throws {
        guard try migrator.hasBeenSuperseded(db) else { return }
        throw StoreError.cannotOpen(path: path, reason: "a newer version of paasd has written it; install that version")
    }

    /// What `PRAGMA integrity_check` complains about; empty for a sound database.
    static func integrityProblems(_ db: Database) throws -> [String] {
        let found = try String.fetchAll(db, sql: "PRAGMA integrity_check(20)")
        return found == ["ok"] ? [] : found
    }

    /// Makes every watch begin anew.
    static func forgetHistory(advancing count: Int64, _ db: Database) throws {
        try db.execute(sql: "DELETE FROM history")
        try db.execute(
            sql: "UPDATE store SET revision = revision + :count, compacted = revision + :count",
            arguments: ["count": count])
    }

    /// Sets `synchronous=FULL` and checks that it holds. Only after the pool is open: opening one sets NORMAL.
    static func requireFullSynchronous(_ pool: DatabasePool) throws {
        let level = try pool.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA synchronous = FULL")
            // The log grows while somebody reads for long; once it is copied back it shrinks to this again.
            try db.execute(sql: "PRAGMA journal_size_limit = 16777216")
            return try Int.fetchOne(db, sql: "PRAGMA synchronous")
        }
        guard level == 2 else { throw StoreError.failed(operation: "set synchronous=FULL", reason: "it was refused") }
    }

    static func revision(_ db: Database) throws -> Int64 {
        try Int64.fetchOne(db.cachedStatement(sql: "SELECT revision FROM store")) ?? 0
    }

    static func keyValue(_ row: Row) -> KeyValue {
        let data: Data = row[1]
        return KeyValue(key: row[0], value: Array(data), createRevision: row[2], modRevision: row[3])
    }

    // MARK: Statements that must not read what they do not need

    /// With one bound on each side: an OR for the two kinds of ranges would make the index be walked from the prefix on.
    static func rangeSQL(descending: Bool, includesFrom: Bool) -> String {
        """
        SELECT key, value, createRevision, modRevision FROM keyValue
        WHERE key \(includesFrom ? ">=" : ">") ? AND key < ? ORDER BY key \(descending ? "DESC" : "ASC") LIMIT ?
        """
    }

    /// Both in one SELECT would walk an index from end to end (sqlite.org/optoverview.html, "MIN/MAX optimization").
    static let historyBoundsSQL = "SELECT (SELECT MIN(id) FROM history), (SELECT MAX(id) FROM history)"

    /// By id alone would be the same order, but SQLite would read the whole table to spare itself the sorting.
    static let changesSQL = "SELECT revision, key, value FROM history WHERE revision > ? ORDER BY revision, id"

    static func rows(of range: KeyRange, _ db: Database) throws -> [KeyValue] {
        // Keys are compared as bytes (BINARY), so the keys with a prefix are those from it up to its successor.
        var (from, to) = (range.prefix, range.prefix + "\u{10FFFF}")
        var includesFrom = true
        if let after = range.after {
            if range.descending {
                if after.utf8.lexicographicallyPrecedes(to.utf8) { to = after }
            } else if !after.utf8.lexicographicallyPrecedes(from.utf8) {
                (from, includesFrom) = (after, false)
            }
        }
        return try Row.fetchAll(
            db.cachedStatement(sql: rangeSQL(descending: range.descending, includesFrom: includesFrom)),
            arguments: [from, to, range.limit ?? -1]
        ).map(keyValue)
    }

    static func holds(_ comparison: Comparison, _ db: Database) throws -> Bool {
        let statement = try db.cachedStatement(sql: "SELECT modRevision FROM keyValue WHERE key = ?")
        switch comparison {
        case .modRevision(let key, let expected):
            return try Int64.fetchOne(statement, arguments: [key]) == expected
        case .absent(let key):
            return try Int64.fetchOne(statement, arguments: [key]) == nil
        }
    }

    static func apply(_ operation: StoreOperation, revision: Int64, _ db: Database) throws {
        let record = try db.cachedStatement(sql: "INSERT INTO history (revision, key, value) VALUES (?, ?, ?)")
        switch operation {
        case .put(let key, let value):
            let data = Data(value)
            try db.cachedStatement(
                sql: """
                    INSERT INTO keyValue (key, value, createRevision, modRevision) VALUES (?1, ?2, ?3, ?3)
                    ON CONFLICT (key) DO UPDATE SET value = ?2, modRevision = ?3
                    """
            ).execute(arguments: [key, data, revision])
            try record.execute(arguments: [revision, key, data])
        case .delete(let key):
            try db.cachedStatement(sql: "DELETE FROM keyValue WHERE key = ?").execute(arguments: [key])
            guard db.changesCount > 0 else { return }
            try record.execute(arguments: [revision, key, nil as Data?])
        }
    }

    /// Drops the oldest whole revisions once the history is a tenth longer than wanted: most writes pay nothing.
    static func compact(keeping wanted: Int, _ db: Database) throws {
        let bounds = try Row.fetchOne(db.cachedStatement(sql: historyBoundsSQL))
        guard let first = bounds?[0] as Int64?, let last = bounds?[1] as Int64? else { return }
        guard last - first + 1 > Int64(wanted + wanted / 10) else { return }
        let oldestKept = last - Int64(wanted) + 1
        let statement = try db.cachedStatement(sql: "SELECT revision FROM history WHERE id >= ? ORDER BY id LIMIT 1")
        guard let boundary = try Int64.fetchOne(statement, arguments: [oldestKept]) else { return }
        try db.cachedStatement(sql: "DELETE FROM history WHERE revision < ?").execute(arguments: [boundary])
        try db.cachedStatement(sql: "UPDATE store SET compacted = ?").execute(arguments: [boundary - 1])
    }

    /// The newest revision; throws when changes after the given one are not kept.
    @discardableResult
    static func requireHistory(after: Int64, _ db: Database) throws -> Int64 {
        let compacted = try Int64.fetchOne(db.cachedStatement(sql: "SELECT compacted FROM store")) ?? 0
        guard after >= compacted else { throw StoreError.compacted(revision: compacted) }
        let newest = try revision(db)
        // A revision from another database, or from before a restore: nothing can be resumed.
        guard after <= newest else { throw StoreError.compacted(revision: newest) }
        return newest
    }

    /// The next changes after a revision, whole revisions only.
    static func historyPage(
        _ prefixes: [String], after: Int64, limit: Int = 200, _ db: Database
    ) throws -> WatchSequence.Page {
        let newest = try requireHistory(after: after, db)
        let rows = try Row.fetchCursor(db.cachedStatement(sql: changesSQL), arguments: [after])
        var changes: [StoreChange] = []
        while let row = try rows.next() {
            let revision: Int64 = row[0]
            if changes.count >= limit, let last = changes.last, last.revision < revision {
                return WatchSequence.Page(changes: changes, through: last.revision)
            }
            let key: String = row[1]
            guard prefixes.contains(where: { key.hasPrefix($0) }) else { continue }
            let data: Data? = row[2]
            changes.append(StoreChange(key: key, value: data.map(Array.init), revision: revision))
        }
        return WatchSequence.Page(changes: changes, through: newest)
    }
}
