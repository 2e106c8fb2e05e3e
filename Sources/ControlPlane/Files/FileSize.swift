// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Sizes of files by stat(2), which opens nothing: closing a second descriptor of a database would give up the locks of
/// its first one (fcntl(2)).
enum FileSize {
    /// Bytes; nil when there is no such file.
    static func bytes(of path: String) -> Int64? {
        var status = stat()
        return stat(path, &status) == 0 ? Int64(status.st_size) : nil
    }
}
