// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import Testing

@testable import Supervision

@Suite struct UserIDAllocatorTests {
    private static func withDirectory(_ body: (StateDirectory) throws -> Void) throws {
        let root = "/tmp/paas-uids-\(UInt64.random(in: .min ... .max))"
        defer { try? FileManager.default.removeItem(atPath: root) }
        try body(try StateDirectory(root: root))
    }

    @Test func whatWasGivenOutIsKnownToTheNextAgent() throws {
        try Self.withDirectory { directory in
            var first = try UserIDAllocator(directory: directory, range: 100..<110)
            for app in ["a-one", "a-two", "a-three"] { _ = try first.userID(ofApp: app) }
            try first.release(appID: "a-two")
            var second = try UserIDAllocator(directory: directory, range: 100..<110)
            #expect(second.appIDs == ["a-one", "a-three"])
            #expect(try second.userID(ofApp: "a-three") == 102)
            // Numbers go on where they were, although 101 is free.
            #expect(try second.userID(ofApp: "a-four") == 103)
        }
    }

    @Test func oneThatWasGivenBackComesAfterAllOthersAndNoneIsGivenTwice() throws {
        try Self.withDirectory { directory in
            var users = try UserIDAllocator(directory: directory, range: 100..<103)
            #expect(try ["a", "b"].map { try users.userID(ofApp: $0) } == [100, 101])
            try users.release(appID: "a")
            #expect(try ["c", "d"].map { try users.userID(ofApp: $0) } == [102, 100])
            #expect(throws: SupervisionError.self) { try users.userID(ofApp: "e") }
            try users.release(appID: "b")
            #expect(try users.userID(ofApp: "e") == 101)
        }
    }

    @Test func anEarlierAgentsFileIsRead() throws {
        try Self.withDirectory { directory in
            try Data(#"{"byApp":{"a-one":104,"a-two":105},"next":106}"#.utf8).write(
                to: URL(filePath: directory.userIDs))
            var users = try UserIDAllocator(directory: directory, range: 100..<110)
            #expect(try users.userID(ofApp: "a-two") == 105)
            #expect(try users.userID(ofApp: "a-three") == 106)
        }
    }

    @Test func anIDThatWouldSpoilTheFileIsRefused() throws {
        try Self.withDirectory { directory in
            var users = try UserIDAllocator(directory: directory, range: 100..<110)
            for odd in ["a\"b", "a\\b", "a\nb", "ä"] {
                #expect(throws: SupervisionError.self) { try users.userID(ofApp: odd) }
            }
        }
    }
}
