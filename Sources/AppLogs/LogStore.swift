// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem
internal import PaaSModel
internal import Synchronization

/// The logs of all apps of a node: one directory for each app id. Any thread may use it.
public final class LogStore: Sendable {
    private struct WeakNotifier {
        weak var notifier: LogNotifier?
    }

    private let directory: String
    private let retention: LogRetention
    private let space: NodeLogSpace?
    /// Whose lines are sent where.
    public let drains = LogDrains()
    let compressor: LogCompressor
    /// Of all writers, which are of one thread. Only they use it.
    private nonisolated(unsafe) let buffer = RecordBuffer()
    private let notifiers = Mutex<[String: WeakNotifier]>([:])

    /// - Parameters:
    ///   - directory: parent of the apps' directories, created with the first writer.
    ///   - retention: how much is kept of a log for whose app nothing else is said.
    ///   - nodeMaxBytes: bytes of all logs together; nil is no limit.
    public init(directory: String, retention: LogRetention = LogRetention(), nodeMaxBytes: Int64? = nil) {
        self.directory = directory
        self.retention = retention
        let space = nodeMaxBytes.map { NodeLogSpace(directory: directory, maxBytes: $0) }
        self.space = space
        compressor = LogCompressor { space?.noteShrunk() }
    }

    /// A tenth of the disk that has a directory, at most 10 GiB (statvfs(3)); 10 GiB where it cannot be told.
    public static func standardNodeMaxBytes(of directory: String) -> Int64 {
        var status = statvfs()
        let most: Int64 = 10 << 30
        guard statvfs(directory, &status) == 0 else { return most }
        return min(Int64(clamping: status.f_blocks) / 10 * Int64(clamping: status.f_frsize), most)
    }

    /// Opens the writer of an app; the caller keeps all of them on one thread, and makes only one for an app.
    ///
    /// - Parameters:
    ///   - appID: of the app whose log it is.
    ///   - rules: the app's; nil where the store's own retention holds. Opening a log deletes what is too much by them, so
    ///     they cannot come later.
    /// - Throws: `AppLogError`.
    public func writer(for appID: String, rules: LogRules? = nil) throws(AppLogError) -> AppLogWriter {
        let writer = try AppLogWriter(
            directory: path(of: appID), retention: rules?.retention ?? retention, buffer: buffer,
            notifier: notifier(for: appID), compressor: compressor
        ) { [space] bytes throws(SystemError) in try space?.makeRoom(for: appID, bytes: bytes) }
        if let rules { writer.setRules(rules) }
        return writer
    }

    /// A reader of an app's log, empty when the app has none.
    ///
    /// - Throws: `AppLogError.invalidAppID`.
    public func reader(for appID: String) throws(AppLogError) -> AppLogReader {
        AppLogReader(directory: try path(of: appID))
    }

    /// What wakes the followers of an app's log: one object as long as a writer, a follower or somebody else holds it.
    ///
    /// - Throws: `AppLogError.invalidAppID`.
    public func notifier(for appID: String) throws(AppLogError) -> LogNotifier {
        _ = try path(of: appID)
        return notifiers.withLock { notifiers in
            if let notifier = notifiers[appID]?.notifier { return notifier }
            // Held weakly and swept here, so that followers of ids that no app has leave nothing behind.
            notifiers = notifiers.filter { $0.value.notifier != nil }
            let notifier = LogNotifier()
            notifiers[appID] = WeakNotifier(notifier: notifier)
            return notifier
        }
    }

    /// Entries in the table of notifiers.
    var notifierCount: Int { notifiers.withLock { $0.count } }

    /// The lines that a query gives, and with `following` every later one until the log is removed.
    ///
    /// - Throws: `AppLogError.invalidAppID`.
    public func lines(_ query: LogQuery, of appID: String, following: Bool) throws(AppLogError) -> LogLines {
        let reader = try reader(for: appID)
        let notifier = try notifier(for: appID)
        return following ? reader.follow(query, notifier: notifier) : reader.lines(query, notifier: notifier)
    }

    /// Removes what an earlier writer wrote after a place. No writer of the app is open.
    func cut(_ appID: String, after position: LogPosition) throws(AppLogError) {
        let directory = SegmentDirectory(path: try path(of: appID))
        do throws(SystemError) {
            try directory.cut(after: position)
        } catch {
            throw .storage(error)
        }
    }

    /// Nothing is sent or compressed any more: another agent has the logs.
    public func close() {
        drains.close()
        compressor.close()
    }

    /// Deletes an app's log and ends its followers. The caller has dropped the writer.
    ///
    /// - Throws: `AppLogError`; calling it again goes on where it failed.
    public func remove(_ appID: String) throws(AppLogError) {
        let path = try path(of: appID)
        drains.set(nil, for: appID)
        compressor.forget(SegmentDirectory(path: path))
        notifiers.withLock { $0.removeValue(forKey: appID) }?.notifier?.finish()
        do {
            try SegmentDirectory(path: path).removeAll()
            space?.forget(appID)
        } catch {
            throw .storage(error)
        }
    }

    /// The id becomes a path component: nothing that could leave the directory is one.
    private func path(of appID: String) throws(AppLogError) -> String {
        let allowed = appID.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
        guard allowed, (1...64).contains(appID.utf8.count) else { throw .invalidAppID(appID) }
        return directory + "/" + appID
    }
}
