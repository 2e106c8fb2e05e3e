// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import ControlPlane

struct APICertificateTests {
    private let directory: TemporaryDirectory
    private var key: String { directory.path + "/key.pem" }
    private var chain: String { directory.path + "/chain.pem" }

    init() throws { directory = try TemporaryDirectory() }

    private func write(_ path: String, mode: Int) throws {
        try Data("not PEM".utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    private func complaint() -> String {
        do {
            _ = try APICertificate(chainPath: chain, keyPath: key)
            return "none"
        } catch {
            return error.description
        }
    }

    @Test func whatIsWrongIsSaidWithItsFile() throws {
        #expect(complaint().contains(key))
        try write(key, mode: 0o644)
        #expect(complaint() == "the key \(key) can be read by everybody; run 'chmod o= \(key)'")
        try write(key, mode: 0o640)
        #expect(complaint().contains("certificate from \(chain)"))
    }
}
