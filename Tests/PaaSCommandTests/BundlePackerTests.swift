// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Testing

@testable import paas

@Suite struct BundlePackerTests {
    private func withSource(_ files: [String], _ body: (SourceDirectory) throws -> Void) throws {
        let root = "/tmp/paas-pack-\(UInt32.random(in: 0...UInt32.max))"
        defer { try? FileManager.default.removeItem(atPath: root) }
        for file in files {
            let path = "\(root)/\(file)"
            let directory = path.prefix(upTo: path.lastIndex(of: "/") ?? path.endIndex)
            try FileManager.default.createDirectory(atPath: String(directory), withIntermediateDirectories: true)
            try Data(file.utf8).write(to: URL(filePath: path))
        }
        try body(try SourceDirectory(path: root, home: nil))
    }

    private func names(_ bundle: Bundle) throws -> Set<String> {
        // The names of a small archive stand at the beginnings of its 512-byte blocks.
        let data = try #require(FileManager.default.contents(atPath: bundle.path))
        return Set(
            stride(from: 0, to: data.count, by: 512).compactMap { start in
                let block = data[start..<min(start + 512, data.count)]
                guard block.count == 512, block.dropFirst(257).starts(with: Data("ustar".utf8)) else { return nil }
                return String(decoding: block.prefix(100).prefix { $0 != 0 }, as: UTF8.self)
            })
    }

    @Test func sameContentHasTheSameDigestWhateverItsTimesAndPlace() throws {
        var digests: Set<String> = []
        for time in [0.0, 1e9] {
            try withSource(["b", "a/c", "a/a"]) { source in
                try FileManager.default.setAttributes(
                    [.modificationDate: Date(timeIntervalSince1970: time)], ofItemAtPath: source.path + "/b")
                digests.insert(try BundlePacker.pack(source).sha256)
            }
        }
        #expect(digests.count == 1)
        try withSource(["b", "a/c", "a/b"]) { digests.insert(try BundlePacker.pack($0).sha256) }
        #expect(digests.count == 2)
    }

    @Test func versionControlAndTheHomeStayBehind() throws {
        try withSource(["app.py", ".git/config", "sub/.git/config", ".paas/admin.token", "sub/x", ".gitignore"]) {
            let bundle = try BundlePacker.pack($0)
            #expect(try names(bundle) == ["./", "./.gitignore", "./app.py", "./sub/", "./sub/x"])
        }
    }

    @Test func digestIsOfTheArchivesBytesAndTheFileGoesAway() throws {
        var path = ""
        try withSource(["a"]) { source in
            let bundle = try BundlePacker.pack(source)
            path = bundle.path
            #expect(bundle.sha256.utf8.count == 64)
            #expect(FileManager.default.contents(atPath: path)?.count == Int(bundle.size))
        }
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test func toolThatFailsIsQuoted() throws {
        let run = try ToolRun(["tar", "--create", "--file=/dev/null", "--directory=/no/such/directory", "."])
        #expect(run.code == 2)
        #expect(run.complaint?.isEmpty == false)
        #expect(throws: CommandFailure.self) { try ToolRun(["no-such-tool-anywhere"]) }
    }
}
