// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// One report of the outbox.
struct OutboxEntry: Hashable, Sendable {
    var sequence: Int64
    var instanceID: String
    /// How many lost reports of the instance it tells of; when it is lost itself they are still to be told.
    var tellsOf: Int
    /// Size of its file.
    var bytes: Int
    /// The report, when the disk has refused it.
    var unwritten: AgentReport?

    init(sequence: Int64, instanceID: String, tellsOf: Int = 0, bytes: Int) {
        self.sequence = sequence
        self.instanceID = instanceID
        self.tellsOf = tellsOf
        self.bytes = bytes
    }

    /// Reads `<sequence>-<instance>.json` or `<sequence>-<instance>+<lost reports>.json`; nil for any other name.
    init?(fileName: String) {
        guard fileName.hasSuffix(".json"), let dash = fileName.firstIndex(of: "-"),
            let sequence = Int64(fileName[..<dash]), sequence > 0
        else { return nil }
        let parts = fileName[fileName.index(after: dash)...].dropLast(5)
            .split(separator: "+", maxSplits: 1, omittingEmptySubsequences: false)
        guard let tellsOf = parts.count == 1 ? 0 : Int(parts[1]), tellsOf >= 0 else { return nil }
        self.init(sequence: sequence, instanceID: String(parts[0]), tellsOf: tellsOf, bytes: 0)
    }

    var fileName: String { "\(sequence)-\(instanceID)\(tellsOf > 0 ? "+\(tellsOf)" : "").json" }
}

/// What the outbox knows of its reports. Pure.
struct OutboxState: Sendable {
    /// By sequence, lowest first.
    var entries: [OutboxEntry]
    /// The next sequence.
    var next: Int64
    /// Sequences up to here may be used without writing the mark on disk again.
    var blockEnd: Int64
    /// Reports dropped since the start.
    private(set) var lost = 0
    /// The same of each instance, until its next report tells.
    var lostByInstance: [String: Int] = [:]
    /// Another process works on the directory.
    var isClosed = false
    /// Some entries are in memory only.
    var hasUnwritten = false
    private var totalBytes: Int
    /// Reports of each instance.
    private var counts: [String: Int]

    init(entries: [OutboxEntry], next: Int64, blockEnd: Int64) {
        self.entries = entries
        self.next = next
        self.blockEnd = blockEnd
        totalBytes = entries.reduce(0) { $0 + $1.bytes }
        counts = entries.reduce(into: [:]) { $0[$1.instanceID, default: 0] += 1 }
    }

    mutating func insert(_ entry: OutboxEntry) {
        hasUnwritten = hasUnwritten || entry.unwritten != nil
        let place = entries.lastIndex { $0.sequence <= entry.sequence }
        if let place, entries[place].sequence == entry.sequence {
            totalBytes += entry.bytes - entries[place].bytes
            entries[place] = entry
            return
        }
        entries.insert(entry, at: place.map { $0 + 1 } ?? 0)
        totalBytes += entry.bytes
        counts[entry.instanceID, default: 0] += 1
    }

    @discardableResult
    mutating func remove(_ sequences: Set<Int64>) -> [OutboxEntry] {
        let gone = entries.filter { sequences.contains($0.sequence) }
        guard !gone.isEmpty else { return [] }
        entries.removeAll { sequences.contains($0.sequence) }
        for entry in gone {
            totalBytes -= entry.bytes
            counts[entry.instanceID, default: 1] -= 1
            if counts[entry.instanceID] == 0 { counts[entry.instanceID] = nil }
        }
        return gone
    }

    /// Takes out what is too much: the oldest that a later report of the same instance supersedes.
    mutating func evict(capacity: Int, byteCapacity: Int) -> [OutboxEntry] {
        var gone: [OutboxEntry] = []
        while entries.count > capacity || totalBytes > byteCapacity,
            let index = entries.firstIndex(where: { counts[$0.instanceID, default: 0] > 1 })
        {
            let entry = entries[index]
            gone += remove([entry.sequence])
            count(lost: entry)
        }
        return gone
    }

    mutating func count(lost entry: OutboxEntry) {
        lost += 1
        lostByInstance[entry.instanceID, default: 0] += 1 + entry.tellsOf
    }
}
