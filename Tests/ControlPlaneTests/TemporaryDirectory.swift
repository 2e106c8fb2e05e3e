// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A directory of a test, removed with it. Short, so that a Unix socket's path fits.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = "/tmp/cp-\(UInt32.random(in: .min ... .max))"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
