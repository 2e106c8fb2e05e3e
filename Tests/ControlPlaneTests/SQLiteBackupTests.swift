// SPDX-License-Identifier: Apache-2.0

import Foundation
import GRDB
import PaaSModel
import Testing

@testable import ControlPlane

struct SQLiteBackupTests {
    private let directory: TemporaryDirectory
    private var path: String { directory.path + "/paas.db" }
    private var copy: String { directory.path + "/copy.db" }

    init() throws { directory = try TemporaryDirectory() }

    private func complaint(_ body: () throws -> Void) -> String {
        do { try body() } catch { return "\(error)" }
        return "none"
    }

    @Test func aBackupOfAnOpenStoreIsRestoredAsItWas() async throws {
        let store = try SQLiteStore(path: path)
        _ = try await store.transaction([], [.put(key: "/a", value: [1])])
        try SQLiteStore.backUp(path, to: copy)
        _ = try await store.transaction([], [.put(key: "/a", value: [2]), .put(key: "/b", value: [3])])
        try store.close()
        let attributes = try FileManager.default.attributesOfItem(atPath: copy)
        #expect(attributes[.posixPermissions] as? Int == 0o600)

        try SQLiteStore.restore(copy, to: path)
        let restored = try SQLiteStore(path: path)
        #expect(try await restored.get("/a")?.value == [1])
        #expect(try await restored.get("/b") == nil)
        // What had followed the replaced database must begin anew.
        await #expect(throws: StoreError.self) { try await restored.requireHistory(after: 2) }
        #expect(try await restored.revision() > 2)
        try restored.close()
        let replaced = try SQLiteStore(path: path + ".before-restore")
        #expect(try await replaced.get("/b")?.value == [3])
    }

    @Test func aBackupOverwritesNothing() throws {
        _ = try SQLiteStore(path: path)
        try Data("precious".utf8).write(to: URL(filePath: copy))
        #expect(complaint { try SQLiteStore.backUp(path, to: copy) }.contains("name a new file"))
        #expect(try Data(contentsOf: URL(filePath: copy)) == Data("precious".utf8))
    }

    @Test func whatIsNoBackupIsNotRestored() async throws {
        let store = try SQLiteStore(path: path)
        _ = try await store.transaction([], [.put(key: "/a", value: [1])])
        try store.close()
        try Data(String(repeating: "no database", count: 500).utf8).write(to: URL(filePath: copy))
        #expect(complaint { try SQLiteStore.restore(copy, to: path) } != "none")
        try FileManager.default.removeItem(atPath: copy)
        try await DatabaseQueue(path: copy).write { try $0.execute(sql: "CREATE TABLE other (id INTEGER)") }
        #expect(complaint { try SQLiteStore.restore(copy, to: path) }.contains("no database of Mini PaaS"))
        #expect(try await SQLiteStore(path: path).get("/a")?.value == [1])
        #expect(!FileManager.default.fileExists(atPath: path + ".restoring"))
    }

    @Test func damageIsFoundByTheCheckAndStopsABackup() async throws {
        let store = try SQLiteStore(path: path)
        #expect(try await store.check().problems == [])
        for number in 0..<200 {
            let value = [UInt8](repeating: UInt8(number), count: 2_000)
            _ = try await store.transaction([], [.put(key: "/k\(number)", value: value)])
        }
        try store.close()
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        let size = try file.seekToEnd()
        for offset in stride(from: UInt64(40_960), to: size - 4_096, by: 8_192) {
            try file.seek(toOffset: offset)
            try file.write(contentsOf: Data(repeating: 0xFF, count: 64))
        }
        try file.close()
        let found = try await SQLiteStore(path: path).check()
        #expect(!found.problems.isEmpty)
        #expect(found.sizeBytes > 0)
        #expect(complaint { try SQLiteStore.backUp(path, to: copy) } != "none")
        #expect(!FileManager.default.fileExists(atPath: copy))
    }

    /// Every schema that was ever released, as far as it was migrated then, with data in it.
    @Test(arguments: SQLiteStore.migrator.migrations)
    func everyEarlierSchemaIsMigratedWithItsData(upTo schema: String) async throws {
        let old = try DatabaseQueue(path: path)
        try SQLiteStore.migrator.migrate(old, upTo: schema)
        try await old.write { db in
            try db.execute(
                sql: """
                    UPDATE store SET revision = 7, compacted = 5;
                    INSERT INTO keyValue VALUES ('/a', x'0102', 6, 7);
                    INSERT INTO history (revision, key, value) VALUES (6, '/a', x'01'), (7, '/a', x'0102');
                    """)
        }
        try old.close()
        let store = try SQLiteStore(path: path)
        #expect(
            try await store.get("/a") == KeyValue(key: "/a", value: [1, 2], createRevision: 6, modRevision: 7))
        var changes = store.watch(["/"], after: 6).makeAsyncIterator()
        #expect(try await changes.next()?.map(\.revision) == [7])
        #expect(try await store.transaction([], [.delete(key: "/a")]) == 8)
        #expect(try await store.check().problems == [])
    }

    @Test func aSchemaOfALaterVersionIsRefused() throws {
        try SQLiteStore(path: path).close()
        try DatabaseQueue(path: path).write {
            try $0.execute(sql: "INSERT INTO grdb_migrations (identifier) VALUES ('999-from-the-future')")
        }
        #expect(complaint { _ = try SQLiteStore(path: path) }.contains("newer version"))
    }

    @Test func theLogShrinksOnceALongReaderHasGone() async throws {
        let store = try SQLiteStore(path: path)
        func logBytes() throws -> Int {
            try FileManager.default.attributesOfItem(atPath: path + "-wal")[.size] as? Int ?? 0
        }
        func write(_ count: Int) async throws {
            for number in 0..<count {
                let value = [UInt8](repeating: UInt8(number % 251), count: 200_000)
                _ = try await store.transaction([], [.put(key: "/k\(number % 7)", value: value)])
            }
        }
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let reader = try DatabaseQueue(path: path, configuration: configuration)
        try reader.inDatabase { db in
            try db.execute(sql: "BEGIN")
            _ = try Row.fetchAll(db, sql: "SELECT * FROM store")
        }
        try await write(100)
        #expect(try logBytes() > 20 << 20)
        try reader.inDatabase { try $0.execute(sql: "COMMIT") }
        try await write(3)
        #expect(try logBytes() <= 16 << 20)
    }
}
