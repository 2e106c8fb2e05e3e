// SPDX-License-Identifier: Apache-2.0

internal import PaaSClient
internal import PaaSModel
internal import ProgramSupport

/// Carries a plan out: packs, uploads, creates or changes the app, waits, and says how it went.
struct Deployment: Sendable {
    let client: PaaSClient
    let plan: DeployPlan
    let wait: WaitOptions
    let reporter: DeployReporter

    /// Does it.
    ///
    /// - Throws: `CommandFailure` when the deploy fails or is not done in time.
    func run() async throws {
        let began = ContinuousClock.now
        let present = try await presentApp()
        if present == nil, plan.spec.command == nil {
            throw CommandFailure(
                .usage, "there is nothing to run for '\(plan.name)'",
                hint: "give a COMMAND, or --source with a directory that has a paas.toml or a Procfile")
        }
        var spec = plan.spec
        if let source = plan.source { spec.bundle = try await upload(source) }
        // What happened before this deploy is not its story.
        let lastEvent = try await present.asyncMap { try await client.events(app: $0.id, limit: 1).last?.id ?? 0 }
        let app = try await send(spec, present)
        let release = app.rollout?.release ?? app.release
        reporter.step("release \(release)")
        if wait.noWait {
            reporter.step("\(app.name) is being rolled out; 'paas status \(app.name)' shows how it goes")
            return try printJSON(app)
        }
        try await finish(app, release: release, since: lastEvent ?? 0, began: began)
    }

    private func presentApp() async throws -> App? {
        do {
            return try await client.app(plan.name.rawValue)
        } catch ClientError.problem(let problem) where problem.status == 404 {
            return nil
        }
    }

    private func upload(_ source: SourceDirectory) async throws -> String {
        reporter.step("packing \(source.path)")
        let bundle = try BundlePacker.pack(source)
        try Task.checkCancellation()
        let size = ByteCount(bytes: bundle.size)
        guard try await !client.hasBundle(bundle.sha256) else {
            reporter.step("\(size), unchanged: the control plane has it")
            return bundle.sha256
        }
        reporter.step("uploading \(size)")
        do {
            try await put(bundle)
        } catch let error as ClientError where error.isTransient {
            // A bundle is named by its content, so sending it twice is harmless.
            reporter.detail("\(error.description); trying once more")
            try await put(bundle)
        }
        return bundle.sha256
    }

    private func put(_ bundle: Bundle) async throws {
        let reporter = reporter
        try await client.uploadBundle(bundle.sha256, from: bundle.path) { sent, total in
            reporter.upload(sent: sent, total: total)
        }
    }

    private func send(_ spec: AppSpec, _ present: App?) async throws -> App {
        let patch = DeployPatch(spec: spec, clearedLimits: plan.clearedLimits)
        if let present { return try await client.patch(present.id, patch, redeploy: true) }
        var created = spec
        created.name = plan.name
        do {
            return try await client.create(created)
        } catch ClientError.problem(let problem) where problem.type.hasSuffix("/name-taken") {
            // Somebody was faster; theirs becomes the release before this one.
            return try await client.patch(plan.name.rawValue, patch, redeploy: true)
        }
    }

    private func finish(_ app: App, release: String, since: Int64, began: ContinuousClock.Instant) async throws {
        let waiter = AppWaiter(
            client: client, goal: .rollout(id: app.rollout?.id ?? 0),
            timeout: wait.waitTimeout ?? WaitOptions.defaultTimeout, eventsSince: since)
        let outcome: AppWaiter.Outcome
        do {
            let reporter = reporter
            outcome = try await waiter.wait(for: app) { reporter.tell($0) }
        } catch is CancellationError {
            reporter.step("the deploy goes on in the background; 'paas status \(app.name)' shows how it goes")
            throw CommandFailure.interrupted
        }
        switch outcome {
        case .reached(let app): try succeed(app, release, took: ContinuousClock.now - began)
        case .failed(let app, let reason): try await fail(app, release, reason)
        case .timedOut(let app, let waitingFor):
            try printJSON(app)
            throw CommandFailure(
                .failure, "\(release) of \(app.name) is not ready yet" + (waitingFor.map { ": \($0)" } ?? ""),
                hint: "the deploy goes on in the background; 'paas status \(app.name)' shows how it goes")
        }
    }

    private func succeed(_ app: App, _ release: String, took: Duration) throws {
        let details = "(\(app.rollout?.release ?? release), \(took.shortText))"
        switch app.status {
        case .running:
            let url = app.urls.first.map { ": \($0)" } ?? ""
            reporter.step("\(app.name) is running\(url) \(details)", .good)
        case .pending, .restarting, .failed, .stopped:
            reporter.step("\(release) of \(app.name) is deployed; the app is \(app.status.rawValue) \(details)", .good)
        }
        try printJSON(app)
    }

    private func fail(_ app: App, _ release: String, _ reason: String) async throws {
        let lines = await lastLines(app, release)
        if !lines.isEmpty {
            reporter.step("last lines of \(release)", .bad)
            for line in lines { reporter.detail(line) }
        }
        let serving: String
        if app.release != release, app.status == .running {
            serving = "\(app.release) goes on serving" + (app.urls.first.map { " at \($0)" } ?? "")
        } else if app.status == .restarting || app.status == .pending {
            serving = "nothing of \(app.name) serves; it is started again with growing pauses"
        } else {
            serving = "nothing of \(app.name) serves"
        }
        reporter.step(serving, app.status == .running ? .bold : .bad)
        try printJSON(app)
        throw CommandFailure(
            .failure, "deploy of \(release) failed: \(reason)",
            hint: "correct it and deploy again; 'paas logs \(app.name) --release \(release)' shows all it wrote")
    }

    /// What the release wrote last; from the exit report when the agent cannot be asked.
    private func lastLines(_ app: App, _ release: String) async -> [String] {
        var parameters = LogParameters()
        parameters.limit = .newest(Defaults.exitReportLines)
        parameters.release = release
        var lines: [String] = []
        do {
            for try await line in try await client.logs(app.id, parameters) {
                lines.append(LogFormatter.text(line, isTerminal: false))
            }
        } catch {
            // The failure itself matters more than why its lines cannot be read.
        }
        return lines.isEmpty ? app.lastExit?.lastLines ?? [] : lines
    }

    private func printJSON(_ app: App) throws {
        if wait.json { OutputStream.standard.write(try JSONOutput.document(app)) }
    }
}

extension Optional {
    /// The wrapped value through an asynchronous function.
    fileprivate func asyncMap<Value>(_ transform: (Wrapped) async throws -> Value) async rethrows -> Value? {
        guard let self else { return nil }
        return try await transform(self)
    }
}
