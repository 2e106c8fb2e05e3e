// SPDX-License-Identifier: Apache-2.0

import GRDB
import Testing

@testable import ControlPlane

/// What SQLite does for a statement: with ten thousand changes and events in the store none may read them all.
struct StorePlanTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func plan(of sql: String) throws -> [String] {
        let path = directory.path + "/paas.db"
        try SQLiteStore(path: path).close()
        return try DatabaseQueue(path: path).read { db in
            let statement = try db.makeStatement(sql: "EXPLAIN QUERY PLAN " + sql)
            // Of a plan the values do not matter.
            let unbound = StatementArguments(Array(repeating: DatabaseValue.null, count: sql.count { $0 == "?" }))
            return try Row.fetchAll(statement, arguments: unbound).map { $0["detail"] }
        }
    }

    @Test func changesSinceARevisionAreFoundByTheIndex() throws {
        let steps = try plan(of: SQLiteStore.changesSQL)
        #expect(steps == ["SEARCH history USING INDEX historyByRevision (revision>?)"])
    }

    @Test func theEndsOfTheHistoryAreFoundWithoutWhatIsBetween() throws {
        let steps = try plan(of: SQLiteStore.historyBoundsSQL)
        #expect(steps.filter { $0 == "SEARCH history" }.count == 2)
        #expect(!steps.contains { $0.hasPrefix("SCAN history") })
    }

    @Test(arguments: [false, true], [false, true])
    func aRangeOfKeysIsBoundedOnBothSides(descending: Bool, includesFrom: Bool) throws {
        let steps = try plan(of: SQLiteStore.rangeSQL(descending: descending, includesFrom: includesFrom))
        #expect(steps == ["SEARCH keyValue USING INDEX sqlite_autoindex_keyValue_1 (key>? AND key<?)"])
    }
}
