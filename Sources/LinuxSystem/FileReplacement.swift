// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Replacing a file in one step: a reader, or a crash, sees the old or the new contents.
public enum FileReplacement {
    /// Writes the bytes beside the file and gives them its name (rename(2)). The file gets mode 0600.
    ///
    /// Without `sync` the new contents survive the end of this process, however it comes, but perhaps not a power
    /// failure: then the file may be the old one, or damaged. With it the call returns when they are on the disk, which
    /// takes milliseconds.
    ///
    /// For one writer of a path at a time.
    ///
    /// - Throws: `SystemError`; the file is then as it was.
    public static func replace(_ path: String, with bytes: [UInt8], sync: Bool = false) throws(SystemError) {
        let temporary = path + ".new"
        do throws(SystemError) {
            let file = try OwnedDescriptor.open(temporary, O_WRONLY | O_CREAT | O_TRUNC)
            try file.writeAll(bytes)
            if sync, fdatasync(file.rawValue) != 0 {
                throw SystemError(operation: "fdatasync", path: temporary, errno: errno)
            }
        } catch {
            unlink(temporary)
            throw error.path == nil
                ? SystemError(operation: error.operation, path: temporary, errno: error.errno) : error
        }
        guard rename(temporary, path) == 0 else {
            let cause = SystemError(operation: "rename", path: path, errno: errno)
            unlink(temporary)
            throw cause
        }
        if sync { try syncDirectory(of: path) }
    }

    private static func syncDirectory(of path: String) throws(SystemError) {
        let parent = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let directory = try OwnedDescriptor.open(parent.isEmpty ? "/" : parent, O_RDONLY | O_DIRECTORY)
        guard fsync(directory.rawValue) == 0 else { throw SystemError(operation: "fsync", path: parent, errno: errno) }
    }
}
