// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// What people may ask of an app. Each command changes the wish; the reconciler makes it so.
extension AppState {
    /// A new app with its first release on the way.
    static func create(
        id: String, name: AppName, spec: ReleaseSpec, instances: Int, now: Timestamp
    ) -> AppState {
        let app = AppRecord(
            id: id, name: name, desired: .running,
            target: AppRecord.Generation(number: 1, release: 1, instances: instances), latestRelease: 1,
            rollout: Rollout(id: 1, kind: .deploy, release: ReleaseRecord.name(1), startedAt: now), createdAt: now,
            updatedAt: now)
        let release = ReleaseRecord(number: 1, spec: spec, status: .deploying, createdAt: now)
        return AppState(app: app, releases: [1: release], instances: [:])
    }

    /// Makes a new release and rolls it out; a stopped app runs it at its next start, unless `start` is set.
    mutating func deploy(_ spec: ReleaseSpec, instances: Int, start: Bool, now: Timestamp) {
        guard let app else { return }
        let number = app.latestRelease + 1
        self.app?.latestRelease = number
        supersedeUnfinished(by: number)
        releases[number] = ReleaseRecord(number: number, spec: spec, status: .deploying, createdAt: now)
        if start { self.app?.desired = .running }
        begin(.deploy, release: number, instances: instances, now: now)
        carryOver(from: app.serving, to: spec)
        dropOldReleases()
    }

    /// Releases kept per app.
    static let maxReleases = 100

    private mutating func dropOldReleases() {
        guard let app, releases.count > Self.maxReleases else { return }
        var used = Set(instances.values.map(\.release))
        used.formUnion([app.target.release, app.serving?.release ?? 0])
        for number in releases.keys.sorted() where !used.contains(number) {
            guard releases.count > Self.maxReleases else { return }
            releases[number] = nil
        }
    }

    /// Rolls an earlier release out again, as it was.
    ///
    /// - Parameter name: `v3`; nil for the one that was live before the current one.
    /// - Throws: `Problem` 404 for an unknown release, 409 when there is no earlier one.
    mutating func rollback(to name: String?, now: Timestamp) throws {
        guard let app else { return }
        let current = app.serving?.release ?? app.target.release
        let chosen: ReleaseRecord
        if let name {
            guard let release = ReleaseRecord.number(name).flatMap({ releases[$0] }) else {
                throw Problem.releaseNotFound(name, app: app.name)
            }
            chosen = release
        } else {
            let earlier = releases.values.filter { $0.number != current && $0.liveAt != nil }
            guard let release = earlier.max(by: { ($0.liveAt ?? now, $0.number) < ($1.liveAt ?? now, $1.number) })
            else { throw Problem.nothingToRollBackTo(app.name) }
            chosen = release
        }
        supersedeUnfinished(by: chosen.number)
        if releases[chosen.number]?.status != .live { releases[chosen.number]?.status = .deploying }
        begin(.rollback, release: chosen.number, instances: app.target.instances, now: now)
        carryOver(from: app.serving, to: chosen.spec)
    }

    /// Lets a stopped or failed app run again; nothing happens to one that runs.
    mutating func start(now: Timestamp) {
        guard let app else { return }
        let present = targetInstances
        let hasFailed = !present.isEmpty && present.allSatisfy { $0.status.state == .failed }
        guard app.desired == .stopped || hasFailed else { return }
        self.app?.desired = .running
        begin(.start, release: app.serving?.release ?? app.target.release, instances: app.target.instances, now: now)
    }

    /// Replaces every instance by a new one of the same release; a stopped app is started.
    mutating func restart(now: Timestamp) {
        guard let app else { return }
        self.app?.desired = .running
        begin(.restart, release: app.target.release, instances: app.target.instances, now: now)
    }

    /// Stops every instance.
    mutating func stop(now: Timestamp) -> Event? {
        guard let app, app.desired == .running else { return nil }
        self.app?.desired = .stopped
        self.app?.updatedAt = now
        let anyAlive = assigned.contains { $0.status.state != .stopped && $0.status.state != .failed }
        return event(anyAlive ? .stopping : .stopped, now: now, anyAlive ? "stopping, as asked" : "stopped, as asked")
    }

    /// Changes the number of instances.
    mutating func scale(to instances: Int, now: Timestamp) {
        guard let app, app.target.instances != instances else { return }
        self.app?.target.instances = instances
        if app.serving?.number == app.target.number { self.app?.serving?.instances = instances }
        self.app?.updatedAt = now
        self.app?.rollout = Rollout(
            id: app.rollout.id + 1, kind: .scale, release: ReleaseRecord.name(app.target.release), startedAt: now)
        if app.desired == .stopped { endRolloutOfStoppedApp() }
    }

    /// Destroys the app: its name is free at once, its instances go as soon as their agents can.
    mutating func destroy(now: Timestamp) -> Event? {
        guard app != nil else { return nil }
        let event = event(.destroyed, now: now, "destroyed; its instances are being removed")
        app = nil
        releases = [:]
        return event
    }

    /// Starts a new generation.
    private mutating func begin(_ kind: Rollout.Kind, release: Int, instances: Int, now: Timestamp) {
        guard let app else { return }
        // What an unfinished change of limits took along serves, and must be known as what serves.
        takeBack(to: app.serving)
        let id = app.rollout.id + 1
        self.app?.rollout = Rollout(id: id, kind: kind, release: ReleaseRecord.name(release), startedAt: now)
        self.app?.target = AppRecord.Generation(number: id, release: release, instances: instances)
        self.app?.updatedAt = now
        // What was told to stop does not serve: a start has nothing to fall back to.
        let serves = assigned.contains { $0.generation == app.serving?.number && $0.desired == .running }
        if !serves { self.app?.serving = nil }
        if self.app?.desired == .stopped { endRolloutOfStoppedApp() }
    }

    /// Takes the instances that serve along into the generation that has just begun, when the new release asks for
    /// other limits and nothing else: their agents change those without a restart.
    private mutating func carryOver(from serving: AppRecord.Generation?, to spec: ReleaseSpec) {
        guard let app, let serving, app.serving == serving, app.desired == .running,
            let present = releases[serving.release]?.spec, present.differsOnlyInLiveLimits(from: spec)
        else { return }
        let running = assigned.filter { $0.generation == serving.number && $0.desired == .running }
        // One that does not run well may need a new start as much as new limits.
        guard running.allSatisfy({ $0.status.state == .running }) else { return }
        for instance in running {
            instances[instance.id]?.carriedFrom = .init(generation: serving.number, release: serving.release)
            instances[instance.id]?.generation = app.target.number
            instances[instance.id]?.release = app.target.release
        }
    }

    private mutating func endRolloutOfStoppedApp() {
        guard let release = app?.rollout.release else { return }
        app?.rollout.phase = .succeeded
        app?.rollout.message = "the app is stopped; 'paas start' runs \(release)"
    }

    private mutating func supersedeUnfinished(by number: Int) {
        for (other, release) in releases where other != number && release.status == .deploying {
            releases[other]?.status = .superseded
            releases[other]?.reason = "\(ReleaseRecord.name(number)) took over before it was ready"
        }
    }
}
