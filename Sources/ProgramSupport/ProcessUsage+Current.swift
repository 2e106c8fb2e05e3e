// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Glibc
public import PaaSModel

extension ProcessUsage {
    /// What this process uses now: getrusage(2), getrlimit(2) and proc(5).
    public static func current() -> ProcessUsage {
        var resources = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &resources)
        func microseconds(_ time: timeval) -> Int64 { Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_usec) }
        var usage = ProcessUsage(
            version: ProductVersion.current,
            cpuMicroseconds: microseconds(resources.ru_utime) + microseconds(resources.ru_stime))
        // The second field of statm is the resident set, in pages.
        let pages = fields(of: "/proc/self/statm").dropFirst().first.flatMap { Int64($0) }
        usage.residentBytes = pages.map { $0 * Int64(sysconf(Int32(_SC_PAGESIZE))) }
        // Without the descriptor of the listing itself.
        usage.openDescriptors = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")).map {
            max(0, $0.count - 1)
        }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            usage.maxDescriptors = UInt64(limit.rlim_cur)
        }
        usage.startedAt = Self.beginning
        return usage
    }

    /// Field 22 of `stat` is in clock ticks since boot; counted from the last ')', because the name may contain anything.
    private static let beginning: Timestamp? = {
        guard let line = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8),
            let close = line.lastIndex(of: ")")
        else { return nil }
        let fields = line[line.index(after: close)...].split(separator: " ")
        var boot = timespec()
        guard fields.count > 19, let ticks = Double(fields[19]), clock_gettime(CLOCK_BOOTTIME, &boot) == 0 else {
            return nil
        }
        let sinceBoot = Double(boot.tv_sec) + Double(boot.tv_nsec) / 1e9
        return Timestamp.now.advanced(bySeconds: ticks / Double(sysconf(Int32(_SC_CLK_TCK))) - sinceBoot)
    }()

    private static func fields(of path: String) -> [Substring] {
        (try? String(contentsOfFile: path, encoding: .utf8))?.split(separator: " ") ?? []
    }
}
