// SPDX-License-Identifier: Apache-2.0

import ControlPlane
import Foundation
import Testing

struct SQLiteStoreTests {
    private let directory: TemporaryDirectory
    private var path: String { directory.path + "/db/paas.db" }

    init() throws { directory = try TemporaryDirectory() }

    @Test func whatWasWrittenIsThereAfterReopening() async throws {
        let first = try SQLiteStore(path: path)
        _ = try await first.transaction([], [.put(key: "/a", value: [1, 2, 3])])
        try first.close()
        let second = try SQLiteStore(path: path)
        #expect(try await second.get("/a")?.value == [1, 2, 3])
        #expect(try await second.revision() == 1)
        var changes = second.watch(["/"], after: 0).makeAsyncIterator()
        #expect(try await changes.next()?.map(\.key) == ["/a"])
    }

    @Test func whatWasAcknowledgedIsInTheFilesBeforeAnyClose() async throws {
        let store = try SQLiteStore(path: path)
        _ = try await store.transaction([], [.put(key: "/a", value: [7])])
        // What a kill -9 leaves: the database and its write-ahead log as they are on disk now.
        let copy = directory.path + "/copy"
        try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
        for suffix in ["", "-wal"] {
            try FileManager.default.copyItem(atPath: path + suffix, toPath: copy + "/paas.db" + suffix)
        }
        #expect(try await SQLiteStore(path: copy + "/paas.db").get("/a")?.value == [7])
    }

    @Test func theDirectoryIsForThisUserAlone() throws {
        _ = try SQLiteStore(path: path)
        let attributes = try FileManager.default.attributesOfItem(atPath: directory.path + "/db")
        #expect(attributes[.posixPermissions] as? Int == 0o700)
    }

    @Test func aFileThatIsNoDatabaseIsRefusedWithItsPath() throws {
        let file = directory.path + "/text.db"
        try String(repeating: "not a database", count: 100).write(toFile: file, atomically: true, encoding: .utf8)
        let error = #expect(throws: StoreError.self) { try SQLiteStore(path: file) }
        #expect(error?.description.contains(file) == true)
    }

    @Test func theHistoryIsBounded() async throws {
        let store = try SQLiteStore(path: path, history: 100)
        for number in 0..<250 {
            _ = try await store.transaction([], [.put(key: "/a", value: [UInt8(number)])])
        }
        var newest = store.watch(["/"], after: 151).makeAsyncIterator()
        #expect(try await newest.next()?.isEmpty == false)
        var old = store.watch(["/"], after: 100).makeAsyncIterator()
        await #expect(throws: StoreError.self) { try await old.next() }
    }
}
