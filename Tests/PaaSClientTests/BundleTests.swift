// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import NIOHTTP1
import Synchronization
import Testing

@testable import PaaSClient

@Suite struct BundleTests {
    /// SHA-256 of the text `hello`.
    private static let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

    private static func withDirectory(_ body: (String) async throws -> Void) async throws {
        let path = FileManager.default.temporaryDirectory.path + "/paas-client-\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await body(path)
    }

    @Test func uploadSendsTheFileWithItsLengthAndTellsProgress() async throws {
        try await Self.withDirectory { directory in
            // More than one chunk, and not a multiple of one.
            let content = Data((0..<600_001).map { UInt8(truncatingIfNeeded: $0 &* 31) })
            try content.write(to: URL(filePath: directory + "/bundle"))
            let seen = Mutex<TestServer.Request?>(nil)
            let progress = Mutex<[Int64]>([])
            try await TestServer.run { request in
                seen.withLock { $0 = request }
                return .whole(.created, "")
            } _: { server in
                try await PaaSClientTests.withClient(PaaSClientTests.tcp(server)) { client in
                    try await client.uploadBundle(Self.digest, from: directory + "/bundle") { sent, total in
                        #expect(total == 600_001)
                        progress.withLock { $0.append(sent) }
                    }
                }
            }
            let request = try #require(seen.withLock { $0 })
            #expect(request.uri == "/bundles/\(Self.digest)")
            #expect(request.headers["content-length"] == ["600001"])
            #expect(request.headers["transfer-encoding"].isEmpty)
            #expect(Data(request.body) == content)
            #expect(progress.withLock { $0 } == progress.withLock { $0.sorted() })
            #expect(progress.withLock { $0.last } == 600_001)
        }
    }

    @Test func uploadOfAMissingFileNamesThePath() async throws {
        try await PaaSClientTests.withClient(.unix(path: "/nowhere.sock")) { client in
            let error = await #expect(throws: ClientError.self) {
                try await client.uploadBundle(Self.digest, from: "/no/such/file")
            }
            #expect(error?.description == "/no/such/file: No such file or directory")
        }
    }

    @Test(arguments: [(200, true), (404, false)])
    func headSaysWhetherItIsThere(status: Int, there: Bool) async throws {
        try await TestServer.run { _ in
            .whole(.init(statusCode: status), "")
        } _: { server in
            try await PaaSClientTests.withClient(PaaSClientTests.tcp(server)) { client in
                let answer = try await client.hasBundle(Self.digest)
                #expect(answer == there)
            }
        }
    }

    @Test func downloadArrivesWholeUnderItsName() async throws {
        try await Self.withDirectory { directory in
            try await TestServer.run { _ in
                .whole(.ok, "hello")
            } _: { server in
                try await PaaSClientTests.withClient(PaaSClientTests.tcp(server)) { client in
                    try await client.downloadBundle(Self.digest, to: directory + "/b")
                }
            }
            #expect(FileManager.default.contents(atPath: directory + "/b") == Data("hello".utf8))
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["b"])
        }
    }

    @Test func otherBytesLeaveNoFile() async throws {
        try await Self.withDirectory { directory in
            try await TestServer.run { _ in
                .whole(.ok, "hell0")
            } _: { server in
                try await PaaSClientTests.withClient(PaaSClientTests.tcp(server)) { client in
                    await #expect(throws: ClientError.self) {
                        try await client.downloadBundle(Self.digest, to: directory + "/b")
                    }
                }
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory).isEmpty)
        }
    }

    @Test func downloadBeyondTheCapLeavesNoFile() async throws {
        try await Self.withDirectory { directory in
            try await TestServer.run { _ in
                .whole(.ok, "hello")
            } _: { server in
                try await PaaSClientTests.withClient(PaaSClientTests.tcp(server)) { client in
                    await #expect(throws: ClientError.self) {
                        try await client.downloadBundle(Self.digest, to: directory + "/b", maxBytes: 4)
                    }
                }
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory).isEmpty)
        }
    }
}
