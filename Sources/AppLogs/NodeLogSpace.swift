// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import LinuxSystem
internal import Synchronization

/// Keeps the logs of all apps of a node below a size. Any thread may use it.
///
/// The largest log gives first, so an app that floods costs itself its history and nobody else's. What an app's log has is
/// counted when a segment of it begins, so the sum is right but for what was added to newest segments since.
final class NodeLogSpace: Sendable {
    private let directory: String
    private let maxBytes: Int64
    /// Bytes of each app's log; nil until all were counted once.
    private let sizes = Mutex<[String: Int64]?>(nil)

    /// Something was compressed since all were counted.
    private let hasShrunk = Atomic(false)

    init(directory: String, maxBytes: Int64) {
        self.directory = directory
        self.maxBytes = maxBytes
    }

    /// Deletes oldest segments until an app's log may grow by so many bytes.
    ///
    /// - Throws: `SystemError`.
    func makeRoom(for appID: String, bytes: Int) throws(SystemError) {
        let result: Result<Void, SystemError> = sizes.withLock { sizes in
            do throws(SystemError) {
                var counted: [String: Int64]
                if let known = sizes { counted = known } else { counted = try countAll() }
                counted[appID] = try size(of: appID)
                var total = counted.values.reduce(Int64(bytes), +)
                if total > maxBytes, hasShrunk.exchange(false, ordering: .relaxed) {
                    counted = try countAll()
                    total = counted.values.reduce(Int64(bytes), +)
                }
                while total > maxBytes, let largest = counted.filter({ $0.value > 0 }).max(by: { $0.value < $1.value })
                {
                    let freed = try removeOldest(of: largest.key)
                    // It has nothing but its newest segment: the others must give.
                    counted[largest.key] = freed == 0 ? 0 : largest.value - freed
                    total -= freed
                }
                for (app, size) in counted where size <= 0 { counted[app] = try self.size(of: app) }
                sizes = counted
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    /// Some log became smaller. Never waits for who counts, who may be the thread of all supervision.
    func noteShrunk() { hasShrunk.store(true, ordering: .relaxed) }

    /// The log of an app was deleted.
    func forget(_ appID: String) { sizes.withLock { _ = $0?.removeValue(forKey: appID) } }

    private func countAll() throws(SystemError) -> [String: Int64] {
        var sizes: [String: Int64] = [:]
        for appID in (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [] {
            sizes[appID] = try size(of: appID)
        }
        return sizes
    }

    private func size(of appID: String) throws(SystemError) -> Int64 {
        try SegmentDirectory(path: directory + "/" + appID).segments().reduce(0) { $0 + $1.bytes }
    }

    /// - Returns: bytes that are free now; 0 when the newest segment is the only one.
    private func removeOldest(of appID: String) throws(SystemError) -> Int64 {
        let log = SegmentDirectory(path: directory + "/" + appID)
        let numbers = try log.numbers()
        guard numbers.count > 1, let oldest = numbers.first else { return 0 }
        let size = log.size(of: oldest)
        try log.remove(oldest)
        return max(size, 1)
    }
}
