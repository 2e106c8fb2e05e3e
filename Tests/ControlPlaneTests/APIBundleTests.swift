// SPDX-License-Identifier: Apache-2.0

import Foundation
import PaaSModel
import Testing

@testable import ControlPlane

struct APIBundleTests {
    /// SHA-256 of "hello\n".
    private static let digest = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"

    @Test func aBundleIsKeptAndComesBackAsItWas() async throws {
        try await APIHarness.run { api async throws in
            let path = "/bundles/\(Self.digest)"
            let missing = try await api.request("HEAD", path)
            #expect(missing.status == 404)
            // A body here was once read as the beginning of the next answer on the same connection.
            #expect(missing.body.isEmpty)
            #expect(try await api.request("PUT", path, "hello\n").status == 201)
            #expect(try await api.request("PUT", path, "hello\n").status == 200)
            let head = try await api.request("HEAD", path)
            #expect(head.status == 200)
            #expect(head.headers["content-length"] == "6")
            let answer = try await api.request("GET", path)
            #expect(answer.body == "hello\n")
            #expect(answer.headers["content-type"] == "application/octet-stream")
            let body = #"{"name": "hello", "command": "x", "bundle": "\#(Self.digest)"}"#
            #expect(try await api.request("POST", "/apps", body).status == 201)
        }
    }

    @Test func aBundleThatIsNotWhatItSaysIsRefusedAndNothingStays() async throws {
        try await APIHarness.run { api async throws in
            let answer = try await api.request("PUT", "/bundles/\(Self.digest)", "other")
            #expect(answer.status == 422)
            #expect(try answer.decoded(Problem.self).field == "sha256")
            #expect(try FileManager.default.contentsOfDirectory(atPath: api.directory.path + "/bundles").isEmpty)
        }
    }

    @Test func aBundleOverTheLimitIsRefusedAndNothingStays() async throws {
        try await APIHarness.run(maxBundleBytes: 1_000) { api async throws in
            let body = String(repeating: "x", count: 200_000)
            #expect(try await api.request("PUT", "/bundles/\(Self.digest)", body).status == 413)
            #expect(try FileManager.default.contentsOfDirectory(atPath: api.directory.path + "/bundles").isEmpty)
        }
    }

    @Test(arguments: [
        "x", "..%2F..%2Fetc%2Fpasswd", "5891B5B522D5DF086D0FF0B110FBD9D21BB4FC7163AF34D08286A2E846F6BE03",
    ])
    func aNameThatIsNoDigestIsRefused(name: String) async throws {
        try await APIHarness.run { api async throws in
            #expect(try await api.request("PUT", "/bundles/\(name)", "hello\n").status == 422)
            #expect(try await api.request("GET", "/bundles/\(name)").status == 404)
        }
    }

    @Test func unfinishedUploadsOfAnEarlierProcessAreDropped() throws {
        let directory = try TemporaryDirectory()
        try "x".write(toFile: directory.path + "/abc.part", atomically: false, encoding: .utf8)
        _ = try BundleStore(directory: directory.path)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
    }
}
