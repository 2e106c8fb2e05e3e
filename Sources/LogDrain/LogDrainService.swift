// SPDX-License-Identifier: Apache-2.0

public import AppLogs
internal import AsyncHTTPClient
public import Logging
internal import PaaSModel
public import ServiceLifecycle

/// Sends the lines of apps to their collectors: each at least once, in the order of the log.
///
/// It follows the logs as any reader does, so a collector that is slow or away costs nobody anything; what the log has lost by
/// then is lost to the collector too, and it is told so in a line.
public struct LogDrainService: Service {
    private let logs: LogStore
    private let directory: String
    private let node: String
    private let logger: Logger

    /// - Parameters:
    ///   - logs: where lines are read.
    ///   - directory: where it remembers how far each log was sent; it exists.
    ///   - node: the name of this machine for the collectors.
    ///   - logger: gets what a collector refuses.
    public init(logs: LogStore, directory: String, node: String, logger: Logger) {
        self.logs = logs
        self.directory = directory
        self.node = node
        self.logger = logger
    }

    /// Returns when the service group shuts down.
    public func run() async throws {
        let client = HTTPClient(eventLoopGroupProvider: .singleton)
        await cancelWhenGracefulShutdown {
            var running: [String: (target: LogDrains.Target, task: Task<Void, Never>)] = [:]
            var sinks: [LogDrainAddress: any DrainSink] = [:]
            for await _ in logs.drains.changes {
                let targets = logs.drains.targets
                for (appID, drain) in running where targets[appID] != drain.target {
                    drain.task.cancel()
                    await drain.task.value
                    running[appID] = nil
                    // The app is gone, or wants none; the next agent goes on where this one stops.
                    if targets[appID] == nil, !logs.drains.isClosed { cursor(appID).remove() }
                }
                for (appID, target) in targets where running[appID] == nil {
                    guard let sink = sinks[target.address] ?? sink(target.address, client) else { continue }
                    sinks[target.address] = sink
                    let drain = AppDrain(
                        appID: appID, app: target.app, node: node, logs: logs, sink: sink,
                        cursor: cursor(appID), logger: logger)
                    running[appID] = (target, Task { await drain.run() })
                }
                let used = Set(targets.values.map(\.address))
                sinks = sinks.filter { used.contains($0.key) }
            }
            for drain in running.values { drain.task.cancel() }
            for drain in running.values { await drain.task.value }
        }
        try await client.shutdown()
    }

    private func cursor(_ appID: String) -> DrainCursor { DrainCursor(path: "\(directory)/\(appID)") }

    private func sink(_ address: LogDrainAddress, _ client: HTTPClient) -> (any DrainSink)? {
        if case .http(let url) = address { return HTTPCollector(url: url, client: client) }
        do {
            return try SyslogSink(address: address)
        } catch {
            logger.error("cannot send log lines", metadata: ["to": "\(address)", "error": "\(error)"])
            return nil
        }
    }
}

/// Takes lines, for good.
protocol DrainSink: Sendable {
    /// Returns when the collector has the lines.
    ///
    /// - Throws: why it is not known whether it has them.
    func deliver(_ batch: LogBatch, from origin: LogOrigin) async throws
}

/// Whose lines they are.
struct LogOrigin: Hashable, Sendable {
    var app: String
    var node: String
}
