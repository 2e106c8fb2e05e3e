// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import LinuxSystem

/// The uid of each app on this node: one app, one uid, kept in a file for as long as the app exists.
struct UserIDAllocator {
    private struct Contents: Codable {
        var next: UInt32
        var byApp: [String: UInt32]
    }

    private let path: String
    private let range: Range<UInt32>
    private var contents: Contents
    private var taken: Set<UInt32>

    /// Reads what was given out before.
    init(directory: StateDirectory, range: Range<UInt32>) throws {
        self.path = directory.userIDs
        self.range = range
        if FileManager.default.fileExists(atPath: path) {
            contents = try JSONDecoder().decode(Contents.self, from: Data(contentsOf: URL(filePath: path)))
        } else {
            contents = Contents(next: range.lowerBound, byApp: [:])
        }
        taken = Set(contents.byApp.values)
    }

    /// Apps that have a uid.
    var appIDs: Set<String> { Set(contents.byApp.keys) }

    /// The app's uid; a new one is on disk before it is used.
    ///
    /// Numbers go round: one that was given back is used again only after all others, so that a forgotten file of
    /// an old app does not come to belong to a new one soon.
    mutating func userID(ofApp appID: String) throws -> UInt32 {
        if let known = contents.byApp[appID] { return known }
        guard
            appID.utf8.allSatisfy({ (0x20...0x7E).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
            )
        else { throw SupervisionError("'\(appID)' cannot be the id of an app", isPermanent: true) }
        for _ in range {
            let candidate = range.contains(contents.next) ? contents.next : range.lowerBound
            contents.next = candidate + 1
            if taken.contains(candidate) { continue }
            var changed = contents
            changed.byApp[appID] = candidate
            try save(changed)
            taken.insert(candidate)
            return candidate
        }
        throw SupervisionError(
            "every uid from \(range.lowerBound) to \(range.upperBound - 1) is taken by an app",
            isPermanent: true)
    }

    /// Gives the app's uid back.
    mutating func release(appID: String) throws {
        var changed = contents
        guard let userID = changed.byApp.removeValue(forKey: appID) else { return }
        try save(changed)
        taken.remove(userID)
    }

    private mutating func save(_ changed: Contents) throws {
        try FileReplacement.replace(path, with: StateDirectory.encoded(changed), sync: true)
        contents = changed
    }
}
