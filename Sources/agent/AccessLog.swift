// SPDX-License-Identifier: Apache-2.0

import AppLogs
import LinuxSystem
import Logging
import PaaSModel
import Router
import Synchronization

/// The access logs of this node's apps: one line for each request that the router answered, in a store of their own, so
/// that visitors cannot push an app's own lines out.
///
/// The router's threads only put records into memory. A thread of this actor writes them, a quarter of a second after
/// the first: a busy app costs one write for thousands of requests, an idle one none at all.
actor AccessLog {
    private struct Entry {
        var source: LogSource
        var time: Timestamp
        var record: AccessRecord
    }

    private struct App {
        var id: String
        var sources: [String: LogSource]
    }

    private struct Pending {
        var apps: [String: App] = [:]
        /// By app id.
        var entries: [String: [Entry]] = [:]
        /// How many they are.
        var count = 0
        /// Records that found no room, by app id.
        var dropped: [String: Int] = [:]
        var isStopped = false
    }

    /// How long the first record waits for others.
    private static let delay = Duration.milliseconds(250)
    /// Records that wait at most; later ones are dropped and counted.
    private static let maxPending = 20_000
    /// Who "writes" about a request that no instance got.
    private static let router = LogSource(instanceID: "router", instance: "router", release: "-")

    private nonisolated let loop: EventLoop
    private nonisolated let pending = Mutex(Pending())
    private let store: LogStore
    private let logger: Logger
    private var writers: [String: AppLogWriter] = [:]

    /// - Parameter loop: its thread does the writing.
    init(store: LogStore, loop: EventLoop, logger: Logger) {
        self.store = store
        self.loop = loop
        self.logger = logger
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    /// Says whose the requests are that name an app; nil forgets the name. Any thread.
    nonisolated func setApp(_ name: String, id: String?, sources: [LogSource]) {
        pending.withLock { pending in
            guard let id else { return pending.apps[name] = nil }
            // Instances that have left the route still end their requests.
            let known = pending.apps[name].flatMap { $0.id == id ? $0.sources : nil } ?? [:]
            let current = Dictionary(sources.map { ($0.instanceID, $0) }) { $1 }
            let leaving = known.filter { current[$0.key] == nil }
            pending.apps[name] = App(
                id: id, sources: leaving.count > 100 ? current : leaving.merging(current) { $1 })
        }
    }

    /// Takes a request that is over. Any thread; does not block.
    nonisolated func add(_ record: AccessRecord) {
        let isFirst = pending.withLock { pending in
            guard !pending.isStopped, let app = record.app.flatMap({ pending.apps[$0] }) else { return false }
            guard pending.count < Self.maxPending else {
                pending.dropped[app.id, default: 0] += 1
                return false
            }
            let source = record.upstreamID.flatMap { app.sources[$0] } ?? Self.router
            pending.entries[app.id, default: []].append(Entry(source: source, time: .now, record: record))
            pending.count += 1
            return pending.count == 1
        }
        guard isFirst else { return }
        loop.execute { [weak self] in self?.assumeIsolated { $0.scheduleFlush() } }
    }

    /// Deletes an app's access log. Any thread.
    nonisolated func remove(appID: String) {
        loop.execute { [weak self] in
            self?.assumeIsolated {
                $0.flush()
                $0.writers[appID] = nil
                do {
                    try $0.store.remove(appID)
                } catch {
                    $0.logger.error(
                        "cannot remove the access log of a destroyed app",
                        metadata: ["app": "\(appID)", "error": "\(error)"])
                }
            }
        }
    }

    /// Writes what waits, and takes nothing any more: another agent may be the writer from now on.
    func stop() {
        pending.withLock { $0.isStopped = true }
        flush()
        writers = [:]
    }

    private func scheduleFlush() {
        _ = loop.schedule(after: Self.delay) { [weak self] in self?.assumeIsolated { $0.flush() } }
    }

    private func flush() {
        let (entries, dropped) = pending.withLock { pending in
            defer { (pending.entries, pending.count, pending.dropped) = ([:], 0, [:]) }
            return (pending.entries, pending.dropped)
        }
        for (appID, entries) in entries {
            guard let writer = writer(for: appID) else { continue }
            writer.access(
                entries.map { AccessLine(source: $0.source, time: $0.time, text: AccessText.bytes($0.record)) })
            if let count = dropped[appID] {
                writer.system(
                    "\(count) requests are missing here: they came faster than they could be written",
                    from: Self.router, at: .now)
            }
        }
    }

    private func writer(for appID: String) -> AppLogWriter? {
        if let writer = writers[appID] { return writer }
        do {
            let writer = try store.writer(for: appID)
            writers[appID] = writer
            return writer
        } catch {
            logger.error("cannot write an access log", metadata: ["app": "\(appID)", "error": "\(error)"])
            return nil
        }
    }
}

/// The text of a line: `127.0.0.1 GET /path 200 1024 1.234 4f2a…`, and `cut` at the end of a line about an answer that
/// was cut off. Words are separated by one space: no word can hold one.
enum AccessText {
    static func bytes(_ record: AccessRecord) -> [UInt8] {
        let (seconds, attoseconds) = record.duration.components
        let microseconds = max(0, seconds * 1_000_000 + attoseconds / 1_000_000_000_000)
        // Every request has a line, so it is put together without strings.
        var text: [UInt8] = []
        text.reserveCapacity(record.path.utf8.count + 96)
        for word in [record.client, record.method, record.path] {
            text += word.utf8
            text.append(0x20)
        }
        add(Int64(record.status), to: &text)
        text.append(0x20)
        add(record.bytes, to: &text)
        text.append(0x20)
        add(microseconds / 1_000, to: &text)
        text.append(UInt8(ascii: "."))
        for divisor in [100, 10, 1] as [Int64] { text.append(0x30 + UInt8(microseconds / divisor % 10)) }
        text.append(0x20)
        record.requestID.append(to: &text)
        if record.isCut { text += " cut".utf8 }
        return text
    }

    /// Appends a number that is not negative.
    private static func add(_ number: Int64, to text: inout [UInt8]) {
        if number >= 10 { add(number / 10, to: &text) }
        text.append(0x30 + UInt8(number % 10))
    }
}
