// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import LinuxSystem
public import PaaSModel
internal import Synchronization

/// Reports on their way to the control plane: on disk until it has acknowledged them.
///
/// One file per report, named by its sequence, so that a crash at any point leaves whole reports only. Sequences are
/// given out in blocks, and the end of the current block is on disk before the first of it is used: they grow over
/// every restart. At most ``capacity`` reports are kept; beyond that the oldest goes, because a later report of
/// the same instance holds its full status, and only events are lost. Thread-safe.
public final class Outbox: Sendable {
    /// Reports that are kept at most.
    public static let capacity = 10_000
    private static let blockSize: Int64 = 1_000

    private struct State {
        var pending: [Int64]
        var next: Int64
        var blockEnd: Int64
        var lost = 0
    }

    private let directory: String
    private let state: Mutex<State>
    private let signal: AsyncStream<Void>.Continuation

    /// Ticks after every ``add(status:events:)``; ticks that nobody waited for are merged. For one consumer.
    public let additions: AsyncStream<Void>

    /// Opens the outbox in a directory that exists, with what an earlier agent left in it.
    ///
    /// - Throws: an error of the file system.
    public init(directory: String) throws {
        self.directory = directory
        let names = try FileManager.default.contentsOfDirectory(atPath: directory)
        let pending = names.filter { $0.hasSuffix(".json") }.compactMap { Int64($0.dropLast(5)) }.sorted()
        let reserved = (ProcFS.text(of: directory + "/reserved")).flatMap { Int64($0) } ?? 0
        let next = max(reserved, pending.last ?? 0) + 1
        state = Mutex(State(pending: pending, next: next, blockEnd: next - 1))
        (additions, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Number of reports that wait, and of those that were dropped because the outbox was full.
    public var backlog: (waiting: Int, lost: Int) {
        state.withLock { ($0.pending.count, $0.lost) }
    }

    /// Puts a report on disk.
    ///
    /// - Throws: an error of the file system; the report is then not part of the outbox.
    public func add(status: InstanceStatus, events: [Event]) throws {
        try state.withLock { state in
            if state.next > state.blockEnd {
                let end = state.next + Self.blockSize - 1
                try write(Data("\(end)".utf8), to: "reserved")
                state.blockEnd = end
            }
            let sequence = state.next
            state.next += 1
            let report = AgentReport(sequence: sequence, status: status, events: events)
            try write(try JSONEncoder().encode(report), to: "\(sequence).json")
            state.pending.append(sequence)
            if state.pending.count > Self.capacity {
                remove(state.pending.removeFirst())
                state.lost += 1
            }
        }
        signal.yield()
    }

    /// The oldest reports that wait, at most `limit`. One whose file is damaged is dropped: it can never be sent.
    public func oldest(_ limit: Int) -> [AgentReport] {
        state.withLock { state in
            var reports: [AgentReport] = []
            for sequence in state.pending.prefix(limit) {
                // Not readable now, for lack of descriptors say: it stays, and so does all behind it.
                guard let data = try? Data(contentsOf: URL(filePath: path("\(sequence).json"))) else { break }
                if let report = try? JSONDecoder().decode(AgentReport.self, from: data) {
                    reports.append(report)
                } else {
                    state.pending.removeAll { $0 == sequence }
                    remove(sequence)
                    state.lost += 1
                }
            }
            return reports
        }
    }

    /// Forgets the reports up to a sequence, which the control plane has on its disk.
    public func acknowledge(upTo sequence: Int64) {
        state.withLock { state in
            while let first = state.pending.first, first <= sequence { remove(state.pending.removeFirst()) }
        }
    }

    private func path(_ name: String) -> String { directory + "/" + name }

    private func write(_ data: Data, to name: String) throws {
        try data.write(to: URL(filePath: path(name)), options: .atomic)
    }

    private func remove(_ sequence: Int64) {
        try? FileManager.default.removeItem(atPath: path("\(sequence).json"))
    }
}
