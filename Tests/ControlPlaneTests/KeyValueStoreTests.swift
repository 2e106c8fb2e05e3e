// SPDX-License-Identifier: Apache-2.0

import ControlPlane
import Testing

/// What every implementation of the store's interface promises.
struct KeyValueStoreTests {
    private let directory: TemporaryDirectory
    private let store: any KeyValueStore

    init() throws {
        directory = try TemporaryDirectory()
        store = try SQLiteStore(path: directory.path + "/db/paas.db", history: 20)
    }

    private func put(_ key: String, _ value: UInt8) -> StoreOperation { .put(key: key, value: [value]) }

    @Test func everyTransactionRaisesTheRevisionByOne() async throws {
        #expect(try await store.revision() == 0)
        #expect(try await store.transaction([], [put("/a", 1), put("/b", 1)]) == 1)
        #expect(try await store.transaction([], [.delete(key: "/a")]) == 2)
        #expect(try await store.transaction([], []) == 2)
        #expect(try await store.revision() == 2)
    }

    @Test func aKeyKnowsWhenItWasCreatedAndLastWritten() async throws {
        _ = try await store.transaction([], [put("/a", 1)])
        _ = try await store.transaction([], [put("/a", 2)])
        let entry = try #require(try await store.get("/a"))
        #expect(entry.value == [2])
        #expect(entry.createRevision == 1)
        #expect(entry.modRevision == 2)
        #expect(try await store.get("/b") == nil)
    }

    @Test func aFailedComparisonAppliesNothing() async throws {
        _ = try await store.transaction([], [put("/a", 1)])
        #expect(try await store.transaction([.modRevision(key: "/a", equals: 7)], [put("/b", 1)]) == nil)
        #expect(try await store.transaction([.absent(key: "/a")], [put("/b", 1)]) == nil)
        #expect(try await store.get("/b") == nil)
        #expect(try await store.revision() == 1)
        let both: [Comparison] = [.modRevision(key: "/a", equals: 1), .absent(key: "/b")]
        #expect(try await store.transaction(both, [put("/b", 1)]) == 2)
    }

    @Test func onlyOneOfManyConcurrentCompareAndSetsWins() async throws {
        _ = try await store.transaction([], [put("/a", 0)])
        let wins = try await withThrowingTaskGroup(of: Bool.self) { [store] group in
            for value in UInt8(1)...20 {
                group.addTask {
                    let operation = StoreOperation.put(key: "/a", value: [value])
                    return try await store.transaction([.modRevision(key: "/a", equals: 1)], [operation]) != nil
                }
            }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(wins == 1)
    }

    @Test func rangesAreOrderedBoundedAndResumable() async throws {
        _ = try await store.transaction([], ["/a/1", "/a/2", "/a/3", "/b/1", "/a"].map { put($0, 1) })
        func keys(_ range: KeyRange) async throws -> [String] { try await store.read([range]).ranges[0].map(\.key) }
        #expect(try await keys(KeyRange(prefix: "/a/")) == ["/a/1", "/a/2", "/a/3"])
        #expect(try await keys(KeyRange(prefix: "/a/", limit: 2)) == ["/a/1", "/a/2"])
        #expect(try await keys(KeyRange(prefix: "/a/", after: "/a/1")) == ["/a/2", "/a/3"])
        #expect(try await keys(KeyRange(prefix: "/a/", limit: 1, descending: true)) == ["/a/3"])
        #expect(try await keys(KeyRange(prefix: "/a/", after: "/a/3", descending: true)) == ["/a/2", "/a/1"])
        #expect(try await keys(KeyRange(prefix: "/c/")).isEmpty)
    }

    @Test func aWatchFirstReplaysAndThenFollows() async throws {
        _ = try await store.transaction([], [put("/a/1", 1)])
        _ = try await store.transaction([], [put("/a/2", 2), put("/other", 1)])
        var changes = store.watch(["/a/"], after: 1).makeAsyncIterator()
        #expect(try await changes.next() == [StoreChange(key: "/a/2", value: [2], revision: 2)])
        async let next = store.transaction([], [.delete(key: "/a/1")])
        #expect(try await changes.next() == [StoreChange(key: "/a/1", value: nil, revision: 3)])
        _ = try await next
    }

    @Test func aWatchSeesEveryChangeOfManyWritersOnceAndInOrder() async throws {
        let changes = store.watch(["/n/"], after: 0)
        let reader = Task {
            var seen: [Int64] = []
            for try await batch in changes {
                seen += batch.map(\.revision)
                if seen.count >= 15 { break }
            }
            return seen
        }
        try await withThrowingTaskGroup(of: Void.self) { [store] group in
            for number in 0..<15 {
                group.addTask { _ = try await store.transaction([], [.put(key: "/n/\(number)", value: [])]) }
            }
            try await group.waitForAll()
        }
        #expect(try await reader.value == Array(1...15))
    }

    @Test func aWatchFromBeforeTheCompactionSaysSo() async throws {
        for number in 0..<60 { _ = try await store.transaction([], [put("/a/\(number)", 1)]) }
        var old = store.watch(["/a/"], after: 1).makeAsyncIterator()
        await #expect(throws: StoreError.self) { try await old.next() }
        var recent = store.watch(["/a/"], after: 59).makeAsyncIterator()
        #expect(try await recent.next()?.count == 1)
    }

    @Test func aWatchFromTheFutureSaysCompacted() async throws {
        var changes = store.watch(["/a/"], after: 99).makeAsyncIterator()
        await #expect(throws: StoreError.compacted(revision: 0)) { try await changes.next() }
    }

    @Test func aCancelledWatchEnds() async throws {
        let changes = store.watch(["/a/"], after: 0)
        let reader = Task {
            for try await _ in changes {}
            return "ended"
        }
        reader.cancel()
        #expect(try await reader.value == "ended")
    }

    @Test func closingEndsWatchesAndRefusesCalls() async throws {
        let changes = store.watch(["/a/"], after: 0)
        let reader = Task {
            var iterator = changes.makeAsyncIterator()
            return try? await iterator.next()
        }
        try store.close()
        _ = await reader.value
        await #expect(throws: StoreError.self) { try await store.revision() }
    }
}
