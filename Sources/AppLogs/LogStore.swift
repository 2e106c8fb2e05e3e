// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem
public import PaaSModel
internal import Synchronization

/// The logs of all apps of a node: one directory for each app id. Any thread may use it.
public final class LogStore: Sendable {
    private struct WeakNotifier {
        weak var notifier: LogNotifier?
    }

    private let directory: String
    private let segmentBytes: Int
    private let segments: Int
    private let notifiers = Mutex<[String: WeakNotifier]>([:])

    /// - Parameters:
    ///   - directory: parent of the apps' directories, created with the first writer.
    ///   - segmentBytes: see ``AppLogWriter``.
    ///   - segments: see ``AppLogWriter``.
    public init(
        directory: String, segmentBytes: Int = Defaults.logSegmentBytes, segments: Int = Defaults.logSegments
    ) {
        self.directory = directory
        self.segmentBytes = segmentBytes
        self.segments = segments
    }

    /// Opens the writer of an app; the caller keeps it on one thread and makes only one for an app.
    ///
    /// - Throws: `AppLogError`.
    public func writer(for appID: String) throws(AppLogError) -> AppLogWriter {
        try AppLogWriter(
            directory: path(of: appID), segmentBytes: segmentBytes, segments: segments, notifier: notifier(for: appID))
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
        return following ? reader.follow(query, notifier: try notifier(for: appID)) : reader.lines(query)
    }

    /// Deletes an app's log and ends its followers. The caller has dropped the writer.
    ///
    /// - Throws: `AppLogError`; calling it again goes on where it failed.
    public func remove(_ appID: String) throws(AppLogError) {
        let path = try path(of: appID)
        notifiers.withLock { $0.removeValue(forKey: appID) }?.notifier?.finish()
        do {
            try SegmentDirectory(path: path).removeAll()
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
