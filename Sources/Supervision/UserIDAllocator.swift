// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials

/// The uid of each app on this node: one app, one uid, kept in a file for as long as the app exists.
struct UserIDAllocator {
    private struct Contents: Codable {
        var next: UInt32
        var byApp: [String: UInt32]
    }

    private let path: String
    private let directory: StateDirectory
    private let range: Range<UInt32>
    private var contents: Contents

    /// Reads what was given out before.
    init(directory: StateDirectory, range: Range<UInt32>) throws {
        self.path = directory.userIDs
        self.directory = directory
        self.range = range
        if FileManager.default.fileExists(atPath: path) {
            contents = try JSONDecoder().decode(Contents.self, from: Data(contentsOf: URL(filePath: path)))
        } else {
            contents = Contents(next: range.lowerBound, byApp: [:])
        }
    }

    /// Apps that have a uid.
    var appIDs: Set<String> { Set(contents.byApp.keys) }

    /// The app's uid; a new one is on disk before it is used.
    ///
    /// Numbers go round: one that was given back is used again only after all others, so that a forgotten file of
    /// an old app does not come to belong to a new one soon.
    mutating func userID(ofApp appID: String) throws -> UInt32 {
        if let known = contents.byApp[appID] { return known }
        let taken = Set(contents.byApp.values)
        for _ in range {
            let candidate = range.contains(contents.next) ? contents.next : range.lowerBound
            contents.next = candidate + 1
            if taken.contains(candidate) { continue }
            var changed = contents
            changed.byApp[appID] = candidate
            try directory.save(changed, to: path, sync: true)
            contents = changed
            return candidate
        }
        throw SupervisionError(
            "every uid from \(range.lowerBound) to \(range.upperBound - 1) is taken by an app",
            isPermanent: true)
    }

    /// Gives the app's uid back.
    mutating func release(appID: String) throws {
        var changed = contents
        guard changed.byApp.removeValue(forKey: appID) != nil else { return }
        try directory.save(changed, to: path, sync: true)
        contents = changed
    }
}
