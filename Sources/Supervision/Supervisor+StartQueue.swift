// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem
internal import PaaSModel

/// Starting many: a few at a time, because a hundred programs that start together on a few cores all miss their time.
///
/// What had been running before the machine went down, or ended while no agent lived, waits until those before it are ready: whatever
/// ended it may have ended all of them. Any other start waits only until the sandboxes of those before it stand: an app that is
/// slow to become ready must not keep another from its restart.
extension Supervisor {
    /// Starts under way at once.
    static let startsAtOnce = max(2, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    /// An instance that takes longer holds up the others no more.
    private static let longestTurn = Duration.seconds(10)

    /// The instance's next start is one of perhaps many.
    func startsInTurn(_ instance: ManagedInstance) -> Bool {
        (isRestoring || instance.endedUnseen) && instance.standby == nil
    }

    /// Puts an instance into the queue, behind those that came before. While all are restored nobody is started yet: those that
    /// served come first.
    func startLater(_ instance: ManagedInstance) {
        instance.reason = "waiting for others to start first"
        if isRestoring { return startQueue.append(instance) }
        // It may have been stopped while it waited.
        if !startQueue.contains(where: { $0 === instance }) { startQueue.append(instance) }
        startNext()
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

    // MARK: Sandboxes under way

    static let launchesAtOnce = 2 * startsAtOnce

    var mayLaunch: Bool { launching.count < Self.launchesAtOnce }

    func launchLater(_ instance: ManagedInstance, appDirectory: String) {
        instance.reason = "waiting for others to start first"
        launchQueue.append((instance, instance.startNumber, appDirectory))
    }

    /// Its `paas-init` has been spawned.
    func launchHasBegun(of instance: ManagedInstance) {
        launching[instance.id] = schedule(after: Self.longestTurn) { $0.launchIsOver(of: instance) }
    }

    /// The app runs, or has failed to, or it took too long: the next one may be spawned.
    func launchIsOver(of instance: ManagedInstance) {
        guard let timer = launching.removeValue(forKey: instance.id) else { return }
        loop.cancel(timer)
        while mayLaunch, !launchQueue.isEmpty {
            let (instance, startNumber, appDirectory) = launchQueue.removeFirst()
            // Stopped or removed meanwhile.
            guard instances[instance.id] === instance, instance.startNumber == startNumber,
                instance.machine.state == .starting
            else { continue }
            // Another start may be busy with the image of its /data by now.
            guard !needsDiskTurn(instance.assignment) else {
                start(instance)
                continue
            }
            launch(instance, appDirectory: appDirectory)
        }
    }
}
