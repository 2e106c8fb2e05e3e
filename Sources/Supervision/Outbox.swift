// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Glibc
internal import LinuxSystem
public import PaaSModel
internal import Synchronization

/// Reports on their way to the control plane: on disk until it has acknowledged them. Thread-safe.
///
/// One file per report, see `OutboxEntry.fileName`, so that a crash at any point leaves whole reports only. Sequences
/// are given out in blocks, and the end of the current block is on disk before the first of it is used: they grow over
/// every restart. A report that the disk refuses waits in memory and is written once the disk takes it.
///
/// **When it is full** (``capacity`` reports, or ``byteCapacity``): the oldest report goes that a later one of the same
/// instance supersedes, because that one has the instance's whole status; what is lost is the events of the older, and
/// the next report of the instance says how many reports were lost. If that one is lost too, the next after it counts
/// all. The last report of an instance never goes.
public final class Outbox: Sendable {
    /// Reports that are kept, unless more instances than that have one.
    public static let capacity = 10_000
    /// Bytes of reports that are kept, unless the last reports of all instances are more.
    public static let byteCapacity = 256 << 20
    private static let blockSize: Int64 = 1_000

    private let directory: String
    private let capacity: Int
    private let state: Mutex<OutboxState>
    private let signal: AsyncStream<Void>.Continuation

    /// Ticks after every ``add(_:)``; ticks that nobody waited for are merged. For one consumer.
    public let additions: AsyncStream<Void>

    /// Opens the outbox in a directory that exists, with what an earlier agent left in it.
    ///
    /// - Throws: an error of the file system.
    public convenience init(directory: String) throws {
        try self.init(directory: directory, capacity: Self.capacity, now: .now)
    }

    init(directory: String, capacity: Int, now: Timestamp) throws {
        self.directory = directory
        self.capacity = capacity
        var entries: [OutboxEntry] = []
        for name in try FileManager.default.contentsOfDirectory(atPath: directory) {
            // What an earlier agent was writing when it died; the report itself stands in the instance's record.
            if name.hasSuffix(".new") { unlink(directory + "/" + name) }
            guard var entry = OutboxEntry(fileName: name) else { continue }
            let size = try FileManager.default.attributesOfItem(atPath: directory + "/" + name)[.size] as? Int
            entry.bytes = size ?? 0
            entries.append(entry)
        }
        entries.sort { $0.sequence < $1.sequence }
        let reserved = (ProcFS.text(of: directory + "/reserved")).flatMap { Int64($0) } ?? 0
        // The clock as well: with a state directory that was lost, sequences must not begin below those that the
        // control plane has seen, or it would take every report for a repetition.
        let next = max(reserved, entries.last?.sequence ?? 0, now.microseconds) + 1
        state = Mutex(OutboxState(entries: entries, next: next, blockEnd: next - 1))
        (additions, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Number of reports that wait, and of those that were dropped because the outbox was full.
    public var backlog: (waiting: Int, lost: Int) {
        state.withLock { ($0.entries.count, $0.lost) }
    }

    /// A report with the next sequence, not yet in the outbox: who writes it down first can hand it in again after a
    /// crash, and it still counts once.
    public func makeReport(status: InstanceStatus, events: [Event]) -> AgentReport {
        state.withLock { state in
            if state.next > state.blockEnd {
                let end = state.next + Self.blockSize - 1
                // A full disk: the clock keeps the numbers growing, see init.
                _ = try? FileReplacement.replace(path("reserved"), with: Array("\(end)".utf8))
                state.blockEnd = end
            }
            defer { state.next += 1 }
            let lost = state.lostByInstance.removeValue(forKey: status.instanceID)
            return AgentReport(
                sequence: state.next, status: status, events: (lost.map { [Self.lossEvent($0)] } ?? []) + events,
                lostBefore: lost)
        }
    }

    /// Leaves the directory to another process: nothing is taken in, given out or removed any more.
    public func close() {
        state.withLock { $0.isClosed = true }
    }

    /// Takes a report in. One that it has, or that the control plane has had, may be added again.
    ///
    /// - Throws: an error of the file system; the report then waits in memory, and is sent, and is written to disk when
    ///   that works again.
    public func add(_ report: AgentReport) throws {
        defer { signal.yield() }
        try state.withLock { state in
            guard !state.isClosed else { return }
            let bytes = try JSONEncoder().encode(report)
            var entry = OutboxEntry(
                sequence: report.sequence, instanceID: report.status.instanceID, tellsOf: report.lostBefore ?? 0,
                bytes: bytes.count)
            defer {
                state.insert(entry)
                for gone in state.evict(capacity: capacity, byteCapacity: Self.byteCapacity) { remove(gone) }
            }
            do throws(SystemError) {
                try writeWaiting(&state)
                try FileReplacement.replace(path(entry.fileName), with: Array(bytes))
            } catch {
                entry.unwritten = report
                throw error
            }
        }
    }

    /// The oldest reports that wait, at most `limit`. One whose file is damaged, or cannot be read for a reason that stays,
    /// is dropped and counted: it can never be sent, and must not keep the others.
    public func oldest(_ limit: Int) -> [AgentReport] {
        state.withLock { state in
            var reports: [AgentReport] = []
            guard !state.isClosed else { return reports }
            for entry in state.entries.prefix(limit) {
                if let report = entry.unwritten {
                    reports.append(report)
                    continue
                }
                do {
                    reports.append(try read(entry))
                } catch let error as SystemError where Self.passes(error) {
                    // It stays, and so does all behind it.
                    break
                } catch {
                    state.remove([entry.sequence])
                    state.count(lost: entry)
                    remove(entry)
                }
            }
            return reports
        }
    }

    private func read(_ entry: OutboxEntry) throws -> AgentReport {
        let file = try OwnedDescriptor.open(path(entry.fileName), O_RDONLY)
        return try JSONDecoder().decode(AgentReport.self, from: Data(file.allBytes(limit: Self.byteCapacity)))
    }

    /// Nothing is wrong with the file; something was lacking to open it.
    private static func passes(_ error: SystemError) -> Bool { [EMFILE, ENFILE, ENOMEM].contains(error.errno) }

    /// Forgets reports that the control plane has on its disk.
    public func acknowledge(_ sequences: [Int64]) {
        state.withLock { state in
            guard !state.isClosed else { return }
            for entry in state.remove(Set(sequences)) { remove(entry) }
        }
    }

    /// Writes what the disk refused before.
    ///
    /// - Throws: an error of the file system; the rest waits on.
    public func writeWhatWaits() throws { try state.withLock { try writeWaiting(&$0) } }

    private func path(_ name: String) -> String { directory + "/" + name }

    private func writeWaiting(_ state: inout OutboxState) throws(SystemError) {
        guard state.hasUnwritten else { return }
        for index in state.entries.indices {
            guard let report = state.entries[index].unwritten, let bytes = try? JSONEncoder().encode(report) else {
                continue
            }
            try FileReplacement.replace(path(state.entries[index].fileName), with: Array(bytes))
            state.entries[index].unwritten = nil
        }
        state.hasUnwritten = false
    }

    private func remove(_ entry: OutboxEntry) {
        try? FileManager.default.removeItem(atPath: path(entry.fileName))
    }

    private static func lossEvent(_ lost: Int) -> Event {
        let reports = lost == 1 ? "1 report" : "\(lost) reports"
        return Event(
            time: .now, kind: .warning,
            message: "\(reports) of what happened before could not be kept while the control plane was away")
    }
}
