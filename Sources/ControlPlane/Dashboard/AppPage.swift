// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// One app.
struct AppPage {
    struct ReleaseRow {
        let app: String
        let name: String
        let status: String
        let command: String
        let limits: String?
        let reason: String?
        let createdAt: PageTime
        let canRollBack: Bool
    }

    struct Exit {
        let headline: String
        let tone: String
        let at: PageTime
        let reason: String
        let facts: [PageFact]
        let hasLines: Bool
        let lines: [String]
    }

    struct InForce {
        let name: String
        let release: String
        let state: String
        let pid: String?
        let limits: [PageFact]
        let hasLayers: Bool
        let layersText: String
        let layers: [PageLayer]
    }

    let name: String
    let status: String
    let statusText: String
    let reason: String?
    let release: String
    let instances: String
    let wanted: Int
    let restarts: String
    let startedAt: PageTime?
    let hasURLs: Bool
    let urls: [String]
    let command: String
    let isRunning: Bool
    /// Who looks may change the app.
    let acts: Bool
    let lastExit: Exit?
    let releases: [ReleaseRow]
    let inForce: [InForce]
    let inForceMissing: String
    let events: PageEvents

    /// - Parameter inForce: nil when its agent does not answer.
    init(app: App, releases: [Release], inForce: [InstanceInspection]?, events: [Event], acts: Bool) {
        name = app.name.rawValue
        status = app.status.rawValue
        statusText = app.crashLooping ? "crash-looping" : app.status.rawValue
        reason = app.reason ?? (app.rollout?.phase == .progressing ? app.rollout?.message : nil)
        release = app.release
        instances = "\(app.instancesReady) of \(app.instances)"
        wanted = app.instances
        restarts = app.restarts == 1 ? "1 restart" : "\(app.restarts) restarts"
        startedAt = app.status == .running ? app.startedAt.map { PageTime($0) } : nil
        // They come from the router's address, and only such ones become links.
        urls = app.urls.filter { $0.hasPrefix("http://") || $0.hasPrefix("https://") }
        hasURLs = !urls.isEmpty
        command = app.command.text
        isRunning = app.desired == .running
        self.acts = acts
        lastExit = app.lastExit.map(Self.exit)
        self.releases = releases.prefix(20).map { release in
            ReleaseRow(
                app: app.name.rawValue, name: release.name, status: release.status.rawValue,
                command: release.command.text, limits: release.limits.text, reason: release.reason,
                createdAt: PageTime(release.createdAt),
                canRollBack: acts && release.status == .superseded)
        }
        self.inForce = (inForce ?? []).map(Self.inForce)
        inForceMissing = inForce == nil ? "Its agent does not answer." : "Nothing runs, so nothing is in force."
        self.events = PageEvents(events, apps: [], isOfOneApp: true)
    }

    private static func exit(_ report: ExitReport) -> Exit {
        let headline: String
        switch report {
        case _ where report.oomKilled: headline = "Out of memory"
        case _ where report.startFailure != nil: headline = "Did not start"
        case _ where report.signal != nil: headline = report.signal ?? ""
        default: headline = report.code.map { "Exit code \($0)" } ?? "Unknown end"
        }
        let wasFine = report.requested || report.code == 0
        let uptime = Duration.milliseconds(report.uptimeMs).shortText
        return Exit(
            headline: headline, tone: wasFine ? "good" : "bad", at: PageTime(report.at), reason: report.reason,
            facts: [
                PageFact("ran for", uptime), PageFact("CPU time", Duration.milliseconds(report.cpuMs).shortText),
                PageFact("most memory", report.peakMemoryBytes.map { "\(ByteCount(bytes: max(0, $0)))" }),
                PageFact("memory limit", report.memoryLimitBytes.map { "\(ByteCount(bytes: max(0, $0)))" }),
                PageFact("most processes", report.pidsPeak.map(String.init)),
                PageFact("held back", report.throttledMs.map { Duration.milliseconds($0).shortText }),
                PageFact("core dumped", report.coreDumped ? "yes" : nil),
                PageFact("hung threads", report.hang.map { "\($0.threadCount)" }),
            ].compactMap { $0 },
            hasLines: !report.lastLines.isEmpty, lines: report.lastLines)
    }

    private static func inForce(_ instance: InstanceInspection) -> InForce {
        let missing = instance.layers.filter { !$0.enforced }
        let text =
            missing.isEmpty
            ? "Sandbox \(instance.sandbox.rawValue): all \(instance.layers.count) layers are in force."
            : "Sandbox \(instance.sandbox.rawValue): \(missing.count) of \(instance.layers.count) layers are not in force: "
                + missing.map(\.name).joined(separator: ", ")
        return InForce(
            name: instance.name, release: instance.release, state: instance.state.rawValue,
            pid: instance.pid.map { "\($0)" },
            limits: instance.cgroupLimits.sorted { $0.key < $1.key }.compactMap { PageFact($0.key, $0.value) }
                + [
                    PageFact("port", instance.port.map { "\($0)" }),
                    PageFact("user id", instance.userID.map { "\($0)" }),
                ].compactMap { $0 },
            hasLayers: !instance.layers.isEmpty, layersText: text,
            layers: missing.map(PageLayer.init) + instance.layers.filter(\.enforced).map(PageLayer.init))
    }
}
