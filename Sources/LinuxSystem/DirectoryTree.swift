// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Directories with all that is in them, whoever changes them meanwhile.
public enum DirectoryTree {
    /// Levels below the top that are gone through; each takes a descriptor.
    static let maxDepth = 2_100

    /// Removes a file, a symbolic link, or a directory with all that is in it.
    ///
    /// For what belongs to somebody hostile who is still there: every step goes from a directory that is open, and follows no
    /// symbolic link, so that nothing outside of the tree is touched, whatever is put in the place of its parts. What cannot be
    /// removed stays.
    public static func remove(_ path: String) {
        if unlink(path) == 0 || errno == ENOENT { return }
        if let directory = try? OwnedDescriptor.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) {
            empty(directory, depth: 0)
        }
        rmdir(path)
    }

    private static func empty(_ directory: borrowing OwnedDescriptor, depth: Int) {
        guard depth < maxDepth else { return }
        for name in names(in: directory) {
            if unlinkat(directory.rawValue, name, 0) == 0 || errno == ENOENT { continue }
            let number = openat(directory.rawValue, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard number >= 0 else { continue }
            empty(OwnedDescriptor(adopting: number), depth: depth + 1)
            unlinkat(directory.rawValue, name, AT_REMOVEDIR)
        }
    }

    /// Names in an open directory, without `.` and `..`.
    private static func names(in directory: borrowing OwnedDescriptor) -> [[CChar]] {
        // The stream takes the descriptor that it is given.
        let number = openat(directory.rawValue, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { return [] }
        guard let stream = fdopendir(number) else {
            close(number)
            return []
        }
        defer { closedir(stream) }
        var names: [[CChar]] = []
        while let entry = readdir(stream) {
            // Bytes, not text: a hostile name need not be UTF-8.
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                Array(bytes.prefix { $0 != 0 }.map { CChar(bitPattern: $0) }) + [0]
            }
            if name != [0x2E, 0] && name != [0x2E, 0x2E, 0] { names.append(name) }
        }
        return names
    }
}
