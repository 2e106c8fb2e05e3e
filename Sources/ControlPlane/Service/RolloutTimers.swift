// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel
internal import Synchronization

/// One sleeping task per rollout in progress, and none otherwise. Measured on the monotonic clock.
final class RolloutTimers: Sendable {
    private struct Timer {
        let rollout: Int
        var hasFired = false
        let task: Task<Void, Never>
    }

    private let timers = Mutex<[String: Timer]>([:])
    private let timeout: Duration

    init(timeout: Duration) { self.timeout = timeout }

    /// The time of this rollout is over.
    func hasPassed(appID: String, rollout: Int) -> Bool {
        timers.withLock { timers in
            timers[appID].map { $0.rollout == rollout && $0.hasFired } ?? false
        }
    }

    /// Starts, keeps or ends the timer of an app according to its rollout.
    ///
    /// - Parameter fire: called once when the time is over, unless the timer has ended before.
    func update(_ app: AppRecord?, id: String, fire: @escaping @Sendable () async -> Void) {
        timers.withLock { timers in
            guard let app, app.rollout.phase == .progressing else {
                timers.removeValue(forKey: id)?.task.cancel()
                return
            }
            guard timers[id]?.rollout != app.rollout.id else { return }
            timers[id]?.task.cancel()
            let rollout = app.rollout.id
            // What the timer causes, nobody asks for.
            let task = Principal.$current.withValue(nil) {
                Task {
                    do { try await Pause.sleep(for: timeout) } catch { return }
                    markFired(id, rollout)
                    await fire()
                }
            }
            timers[id] = Timer(rollout: rollout, task: task)
        }
    }

    private func markFired(_ id: String, _ rollout: Int) {
        timers.withLock { if $0[id]?.rollout == rollout { $0[id]?.hasFired = true } }
    }

    /// Ends all timers.
    func cancelAll() {
        timers.withLock { timers in
            for timer in timers.values { timer.task.cancel() }
            timers = [:]
        }
    }
}
