// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PaaSModel

/// What the supervisor does when the disk takes nothing: the apps go on, everybody is told once, and it is tried again.
extension Supervisor {
    /// Pause before the state is written again.
    private static let stateRetryPause = Duration.seconds(5)

    func stateIsNotWritten(because error: any Error) {
        guard stateRetry == nil else { return }
        dependencies.logger.error(
            "cannot write the state of instances; the apps go on, and it is tried again",
            metadata: ["error": "\(error)"])
        retryState()
        // Not at once: the report that is being written down has a lower sequence, and must be handed in first.
        _ = schedule(after: .zero) { supervisor in
            supervisor.tellEveryApp(
                "the agent cannot write its state (\(error)); a crash of the agent now could lose track of the app")
        }
    }

    private func retryState() {
        stateRetry = schedule(after: Self.stateRetryPause) { supervisor in
            do {
                for instance in supervisor.instances.values where instance.machine.state != .removed {
                    try supervisor.directory.save(instance.record, to: &instance.recordFile)
                }
                try supervisor.dependencies.outbox.writeWhatWaits()
                supervisor.stateRetry = nil
                supervisor.dependencies.logger.notice("the state of instances is written again")
                supervisor.tellEveryApp("the agent can write its state again")
            } catch {
                supervisor.retryState()
            }
        }
    }

    func tellEveryApp(_ message: String) {
        for instance in instances.values where instance.machine.state != .removed {
            report(instance, [event(.warning, instance, message)])
        }
    }
}
