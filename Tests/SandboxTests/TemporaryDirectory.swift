// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import Testing

/// Directories for one run, with `app` and `data` as the agent would make them.
enum TemporaryDirectory {
    static func make() throws -> String {
        var template = Array("/tmp/paas-init-test-XXXXXX".utf8CString)
        let made: String? = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        let path = try #require(made)
        try #require(chmod(path, 0o711) == 0)
        try #require(mkdir(path + "/app", 0o755) == 0 && mkdir(path + "/data", 0o750) == 0)
        try #require(chown(path + "/data", InitRun.userID, InitRun.userID) == 0)
        return path
    }

    /// Writes executable files.
    static func fill(_ directory: String, _ files: [String: String]) throws {
        for (name, contents) in files {
            let file = try OwnedDescriptor.open(directory + "/" + name, O_WRONLY | O_CREAT, mode: 0o755)
            try file.writeAll(Array(contents.utf8))
        }
    }

    /// Removes a directory that ``make()`` made; two levels deep at most.
    static func remove(_ path: String) {
        guard path.hasPrefix("/tmp/paas-init-test-") else { return }
        for directory in [path + "/app", path + "/data", path] {
            guard let stream = opendir(directory) else { continue }
            while let entry = readdir(stream) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name != "." && name != ".." { unlink(directory + "/" + name) }
            }
            closedir(stream)
            rmdir(directory)
        }
    }
}
