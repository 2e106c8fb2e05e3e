// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem

/// A whole disk, which is what `io.max` limits: a partition is ENODEV.
struct Disk: Hashable, Sendable {
    /// `vda`.
    let name: String
    /// `254:0`.
    let number: String

    /// Disks of this machine: everything below `/sys/block` that has a size, but for devices that live in memory or in
    /// a file on another disk, whose traffic is counted there.
    static func all(below directory: String = "/sys/block") -> [Disk] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        return names.sorted().compactMap { name in
            guard !["loop", "ram", "zram", "."].contains(where: name.hasPrefix),
                let number = ProcFS.text(of: "\(directory)/\(name)/dev")?.split(separator: "\n").first,
                let size = ProcFS.text(of: "\(directory)/\(name)/size"), size != "0\n"
            else { return nil }
            return Disk(name: name, number: String(number))
        }
    }
}
