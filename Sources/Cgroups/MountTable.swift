// SPDX-License-Identifier: Apache-2.0

/// The mounts of `/proc/self/mountinfo` (proc_pid_mountinfo(5)), in the order in which they were made.
struct MountTable: Hashable, Sendable {
    struct Entry: Hashable, Sendable {
        /// The directory of the file system that is mounted; not `/` in a container without a cgroup namespace.
        let root: String
        let mountPoint: String
        let type: String
        /// Options of the file system; of a v1 mount its controllers.
        let superOptions: [String]
    }

    let entries: [Entry]

    /// A line that is not one of mountinfo is skipped.
    init(mountInfo text: String) {
        entries = text.split(separator: "\n").compactMap(Self.entry(inLine:))
    }

    /// The cgroup2 mount at a directory; nil when another file system is mounted there or over it.
    func unifiedEntry(at mountPoint: String) -> Entry? {
        guard let topmost = entries.last(where: { $0.mountPoint == mountPoint }) else { return nil }
        return topmost.type == "cgroup2" ? topmost : nil
    }

    /// Where v1 holds a controller.
    func legacyMountPoint(of controller: String) -> String? {
        entries.first { $0.type == "cgroup" && $0.superOptions.contains(controller) }?.mountPoint
    }

    // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
    private static func entry(inLine line: Substring) -> Entry? {
        let fields = line.split(separator: " ", omittingEmptySubsequences: false)
        // The optional fields between options and '-' vary in number.
        guard let separator = fields.dropFirst(6).firstIndex(of: "-"), fields.count > separator + 3 else { return nil }
        return Entry(
            root: unescaped(fields[3]), mountPoint: unescaped(fields[4]), type: String(fields[separator + 1]),
            superOptions: fields[separator + 3].split(separator: ",").map(String.init))
    }

    /// Space, tab, newline and backslash are written as three octal digits: `\040`.
    static func unescaped(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3, digits.allSatisfy({ (0x30...0x37).contains($0) }) {
                bytes.append(digits.reduce(0) { $0 &* 8 &+ ($1 - 0x30) })
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
