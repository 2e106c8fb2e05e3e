// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import Testing

@testable import LinuxSystem

struct DirectoryTreeTests {
    /// A directory that ends with the test.
    private func withDirectory(_ test: (String) throws -> Void) throws {
        let path = "/tmp/paas-tree-\(getpid())-\(UInt32.random(in: .min ... .max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try test(path)
    }

    @Test func whatSymbolicLinksLeadToStays() throws {
        try withDirectory { root in
            let (tree, outside) = (root + "/tree", root + "/outside")
            for path in [tree + "/a/b", outside] {
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            }
            for path in [tree + "/a/file", outside + "/passwd"] {
                try #require(FileManager.default.createFile(atPath: path, contents: Data("x".utf8)))
            }
            #expect(symlink(outside, tree + "/a/b/link") == 0)
            #expect(symlink("\u{1}", tree + "/a/dangling") == 0)
            // A name that is not text.
            let name = Array("\(tree)/".utf8CString.dropLast()) + [CChar(bitPattern: 0xFF), 0]
            #expect(mkdir(name, 0o700) == 0)
            DirectoryTree.remove(tree)
            #expect(!FileManager.default.fileExists(atPath: tree))
            #expect(FileManager.default.fileExists(atPath: outside + "/passwd"))
        }
    }

    @Test func aLinkInThePlaceOfTheTreeGoesAlone() throws {
        try withDirectory { root in
            try #require(FileManager.default.createFile(atPath: root + "/kept", contents: Data("x".utf8)))
            #expect(symlink(root, root + "/link") == 0)
            DirectoryTree.remove(root + "/link")
            #expect(FileManager.default.fileExists(atPath: root + "/kept"))
            var status = stat()
            #expect(lstat(root + "/link", &status) == -1)
        }
    }
}
