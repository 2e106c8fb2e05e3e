// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem
internal import PaaSModel

/// Starting what had been running before the machine, or every app, went down: a few at a time, because a hundred
/// programs that start together on a few cores all miss their time.
extension Supervisor {
    /// Starts under way at once.
    private static let startsAtOnce = max(2, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    /// An instance that takes longer holds up the others no more.
    private static let longestTurn = Duration.seconds(10)

    /// Puts an instance into the queue, behind those that came before.
    func startLater(_ instance: ManagedInstance) {
        instance.reason = "waiting for others to start first"
        startQueue.append(instance)
    }

    /// Starts as many of the queue as may start now.
    func startNext() {
        while queuedStarts.count < Self.startsAtOnce, !startQueue.isEmpty {
            let instance = startQueue.removeFirst()
            // Stopped or removed meanwhile, or started by another wish.
            guard instances[instance.id] === instance, instance.machine.state == .starting, instance.run == nil else {
                continue
            }
            queuedStarts[instance.id] = schedule(after: Self.longestTurn) { $0.startIsOver(instance) }
            start(instance)
        }
    }

    /// An instance is ready, has failed, or took too long: the next one may start.
    func startIsOver(_ instance: ManagedInstance) {
        guard let timer = queuedStarts.removeValue(forKey: instance.id) else { return }
        loop.cancel(timer)
        startNext()
    }
}
