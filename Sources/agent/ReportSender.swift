// SPDX-License-Identifier: Apache-2.0

import Logging
import PaaSClient
import PaaSModel
import ServiceLifecycle
import Supervision

/// Empties the outbox into the control plane, oldest first, and forgets only what was acknowledged.
struct ReportSender: Service {
    /// An exit report may be 125 KiB (20 lines of control characters), and a batch at most 16 MiB.
    private static let batchSize = 50

    let client: PaaSClient
    let node: String
    let outbox: Outbox
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await send()
            for await _ in outbox.additions { await send() }
        }
    }

    private func send() async {
        var retry = Retry()
        while !Task.isCancelled {
            let reports = outbox.oldest(Self.batchSize)
            if reports.isEmpty { return }
            do {
                let answer = try await client.report(node: node, ReportBatch(reports: reports))
                outbox.acknowledge(reports.map(\.sequence).filter { $0 <= answer.acknowledged })
                retry.reset()
            } catch {
                if Task.isCancelled { return }
                if !retry.isFailing {
                    logger.debug("reports wait for the control plane", metadata: ["error": "\(error)"])
                }
                await retry.pause()
            }
        }
    }
}
