// SPDX-License-Identifier: Apache-2.0

import Logging
import PaaSClient
import PaaSModel
import ServiceLifecycle
import Supervision

/// Keeps the agent in touch with the control plane: registers, follows the assignments, and comes back with growing
/// pauses when the connection is lost. While it is connected and nothing changes it does nothing.
struct ControlPlaneLink: Service {
    let client: PaaSClient
    let node: Node
    let supervisor: Supervisor
    /// The node is another agent's then: following its assignments, or registering, would disturb that one.
    let departure: Departure
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await follow() }
                group.addTask { await departure.wait() }
                _ = await group.next()
                group.cancelAll()
            }
        }
        // The end of a service would be the end of all.
        try? await gracefulShutdown()
    }

    private func follow() async {
        var retry = Retry()
        var revision: Int64?
        while !Task.isCancelled {
            do {
                try await client.register(node)
                for try await message in try await client.assignments(node: node.name, revision: revision) {
                    if retry.isFailing || revision == nil {
                        logger.notice("connected to the control plane", metadata: ["api": "\(client.endpoint)"])
                    }
                    retry.reset()
                    await supervisor.apply(message)
                    revision = message.revision
                }
                logger.notice("the control plane ended the connection; the apps go on")
            } catch {
                if Task.isCancelled { return }
                if !retry.isFailing {
                    logger.warning(
                        "cannot reach the control plane; the apps go on, and it is tried again",
                        metadata: ["error": "\(error)"])
                }
            }
            await retry.pause()
        }
    }
}
