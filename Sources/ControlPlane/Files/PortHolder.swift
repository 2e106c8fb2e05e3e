// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Glibc

/// Finds the process that listens on a TCP port, for the message "the port is taken".
public enum PortHolder {
    /// `python3 (pid 4711)`; nil when it is of another user, or in another namespace.
    public static func describe(port: Int) -> String? {
        let inodes = ["/proc/net/tcp", "/proc/net/tcp6"].reduce(into: Set<String>()) { result, path in
            result.formUnion(listeningInodes(read(path), port: port))
        }
        guard !inodes.isEmpty, let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc") else {
            return nil
        }
        let wanted = Set(inodes.map { "socket:[\($0)]" })
        for pid in names where pid.allSatisfy(\.isNumber) {
            let directory = "/proc/\(pid)/fd"
            guard let descriptors = try? FileManager.default.contentsOfDirectory(atPath: directory) else { continue }
            let holds = descriptors.contains { name in
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/\(name)")).map(
                    wanted.contains)
                    ?? false
            }
            if holds {
                let name = read("/proc/\(pid)/comm").filter { $0 != "\n" }
                return "\(name) (pid \(pid))"
            }
        }
        return nil
    }

    /// Inodes of the sockets in state LISTEN (0A) on a port, from the text of `/proc/net/tcp` (proc(5)).
    static func listeningInodes(_ table: String, port: Int) -> Set<String> {
        var result: Set<String> = []
        for line in table.split(separator: "\n").dropFirst() {
            let fields = line.split(separator: " ")
            guard fields.count > 9, fields[3] == "0A", let digits = fields[1].split(separator: ":").last,
                Int(digits, radix: 16) == port
            else { continue }
            result.insert(String(fields[9]))
        }
        return result
    }

    private static func read(_ path: String) -> String {
        guard let file = fopen(path, "re") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
