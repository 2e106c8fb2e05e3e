// SPDX-License-Identifier: Apache-2.0

internal import AppLogs
internal import FoundationEssentials
internal import Glibc
internal import LinuxSystem
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import PaaSModel

/// Sends the log of one app, from where it was sent last.
struct AppDrain: Sendable {
    /// First and longest pause after a collector has failed.
    private static let pauses = (first: 0.2, longest: 30.0)

    let appID: String
    let app: String
    let node: String
    let logs: LogStore
    let sink: any DrainSink
    let cursor: DrainCursor
    let logger: Logger

    /// Returns when the log is removed, or the task cancelled.
    func run() async {
        var pause = Self.pauses.first
        while !Task.isCancelled {
            do {
                try await send { pause = Self.pauses.first }
                return cursor.remove()
            } catch {
                guard !Task.isCancelled else { return }
                if pause == Self.pauses.first {
                    logger.warning(
                        "log lines wait for their collector; trying again",
                        metadata: ["app": "\(app)", "error": "\(error)"])
                }
                await Self.wait(seconds: pause)
                pause = min(pause * 2, Self.pauses.longest)
            }
        }
    }

    private func send(_ delivered: () -> Void) async throws {
        var query = LogQuery(limit: nil)
        query.after = cursor.position ?? .start
        var lines = try logs.lines(query, of: appID, following: true).makeAsyncIterator()
        while let batch = try await lines.nextBatch() {
            try await sink.deliver(batch, from: LogOrigin(app: app, node: node))
            try cursor.save(batch.end)
            delivered()
        }
        try Task.checkCancellation()
    }

    /// On a timer of an event loop and not by Task.sleep; see docs/decisions/0006.
    private static func wait(seconds: Double) async {
        let timer = MultiThreadedEventLoopGroup.singleton.any().scheduleTask(in: .milliseconds(Int64(seconds * 1000))) {
        }
        await withTaskCancellationHandler {
            try? await timer.futureResult.get()
        } onCancel: {
            timer.cancel()
        }
    }
}

/// How far a log was sent, in a file that is replaced after every delivery.
struct DrainCursor: Sendable {
    let path: String

    /// Behind what was delivered; nil when nothing was, or the file is damaged.
    var position: LogPosition? {
        ProcFS.text(of: path).flatMap { LogPosition($0.filter { $0 != "\n" }) }
    }

    func save(_ position: LogPosition) throws(SystemError) {
        try FileReplacement.replace(path, with: Array("\(position)\n".utf8))
    }

    func remove() { unlink(path) }
}
