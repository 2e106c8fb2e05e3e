// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// An archive of a source directory in a temporary file, which goes when the value's last copy does.
final class Bundle: Sendable {
    /// The archive.
    let path: String
    /// Its SHA-256 in 64 lower-case hex digits.
    let sha256: String
    /// Its size in bytes.
    let size: Int64

    init(path: String, sha256: String, size: Int64) {
        self.path = path
        self.sha256 = sha256
        self.size = size
    }

    deinit { unlink(path) }
}
