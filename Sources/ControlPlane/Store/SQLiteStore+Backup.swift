// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import GRDB
internal import Glibc

/// Copies of the database: made while `paasd` runs, brought back while it does not.
extension SQLiteStore {
    /// How far a restore puts the revision forward, so that no watch goes on from a revision of the replaced database.
    private static let restoredRevisions: Int64 = 1_000_000

    /// Copies a database, also one that a running process writes to, as of one moment (SQLite's online backup).
    ///
    /// - Parameters:
    ///   - path: the database.
    ///   - copy: a file that does not exist; it appears whole, mode 0600, or not at all.
    /// - Throws: `StoreError`.
    public static func backUp(_ path: String, to copy: String) throws(StoreError) {
        guard access(copy, F_OK) != 0 else {
            throw .failed(operation: "write \(copy)", reason: "it exists; name a new file")
        }
        let partial = copy + ".partial"
        try removeDatabase(partial)
        do {
            var configuration = Configuration()
            configuration.readonly = true
            configuration.busyMode = .timeout(5)
            let source = try DatabaseQueue(path: path, configuration: configuration)
            let target = try DatabaseQueue(path: partial)
            try source.backup(to: target)
            // One file, without a log beside it.
            try target.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = DELETE") }
            try source.close()
            try requireSound(target, partial)
            try target.close()
            guard chmod(partial, 0o600) == 0, synchronize(partial), rename(partial, copy) == 0 else {
                throw StoreError.failed(operation: "write \(copy)", reason: String(cString: strerror(errno)))
            }
        } catch {
            try removeDatabase(partial)
            throw explained(error, "back \(path) up to \(copy)")
        }
    }

    /// Puts a backup in a database's place. The replaced one stays beside it, as `….before-restore`.
    ///
    /// The caller holds the home's lock: no `paasd` has the database open.
    ///
    /// - Throws: `StoreError` when the file is no sound database of this program; nothing has changed then.
    public static func restore(_ backup: String, to path: String) throws(StoreError) {
        let partial = path + ".restoring"
        try removeDatabase(partial)
        do {
            var configuration = Configuration()
            configuration.readonly = true
            let source = try DatabaseQueue(path: backup, configuration: configuration)
            let target = try DatabaseQueue(path: partial)
            try source.backup(to: target)
            try source.close()
            try requireSound(target, backup)
            try migrator.migrate(target)
            try target.writeWithoutTransaction { db in
                try forgetHistory(advancing: restoredRevisions, db)
                try db.execute(sql: "PRAGMA journal_mode = DELETE")
            }
            try target.close()
            guard synchronize(partial) else {
                throw StoreError.failed(operation: "write \(partial)", reason: String(cString: strerror(errno)))
            }
        } catch {
            try removeDatabase(partial)
            throw explained(error, "restore \(backup)")
        }
        // The log belongs to its database: both go, or the new one would be read with the old one's log.
        try removeDatabase(path + ".before-restore")
        for suffix in ["-wal", "-shm", ""] where access(path + suffix, F_OK) == 0 {
            try move(path + suffix, path + ".before-restore" + suffix)
        }
        try move(partial, path)
    }

    private static func move(_ from: String, _ to: String) throws(StoreError) {
        guard rename(from, to) == 0 else {
            throw .failed(operation: "move \(from) to \(to)", reason: String(cString: strerror(errno)))
        }
    }

    private static func removeDatabase(_ path: String) throws(StoreError) {
        for suffix in ["", "-wal", "-shm", "-journal"] where unlink(path + suffix) != 0 && errno != ENOENT {
            throw .failed(operation: "remove \(path + suffix)", reason: String(cString: strerror(errno)))
        }
    }

    private static func requireSound(_ database: DatabaseQueue, _ path: String) throws {
        let problems = try database.read { db in
            guard try migrator.appliedIdentifiers(db).contains(firstMigration) else {
                throw StoreError.cannotOpen(path: path, reason: "it is no database of Mini PaaS")
            }
            try requireKnownSchema(db, path)
            return try integrityProblems(db)
        }
        if let first = problems.first { throw StoreError.cannotOpen(path: path, reason: "it is damaged: \(first)") }
    }

    private static func synchronize(_ path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { Glibc.close(descriptor) }
        return fsync(descriptor) == 0
    }

    private static func explained(_ error: any Error, _ operation: String) -> StoreError {
        error as? StoreError ?? .failed(operation: operation, reason: reason(error))
    }
}
