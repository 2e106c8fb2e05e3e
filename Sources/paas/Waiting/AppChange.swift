// SPDX-License-Identifier: Apache-2.0

internal import PaaSClient
internal import PaaSModel
internal import ProgramSupport

/// Changes one app, waits, and says how it ended: what start, stop, restart, scale and rollback have in common.
struct AppChange: Sendable {
    let client: PaaSClient
    let name: String
    /// `start`, for messages.
    let verb: String
    /// `started`, for messages.
    let done: String
    /// Stop waits for something else than the others.
    var waitsForStop = false

    /// Does it.
    ///
    /// - Throws: `CommandFailure` when it fails or does not happen in time.
    func run(_ options: WaitOptions, _ send: @escaping @Sendable (PaaSClient) async throws -> App) async throws {
        let began = ContinuousClock.now
        let before = try await namingApp(name, client) { try await client.app(name) }
        let app = try await send(client)
        if options.noWait { return try finish(app, options, "\(app.name): \(verb) is under way") }
        let goal = waitsForStop ? .stopped : WaitGoal.rollout(id: app.rollout?.id ?? 0)
        let isOver = waitsForStop ? app.status == .stopped : app.rollout?.phase != .progressing
        // Nothing was begun, because it was so before; how an earlier rollout ended says nothing about this.
        if isOver, app.rollout?.id == before.rollout?.id, app.desired == before.desired {
            return try finish(app, options, "\(app.name) is \(app.status.rawValue) already")
        }
        let waiter = AppWaiter(client: client, goal: goal, timeout: options.waitTimeout ?? WaitOptions.defaultTimeout)
        let outcome: AppWaiter.Outcome
        do {
            outcome = try await waiter.wait(for: app) { progress in Self.tell(progress) }
        } catch is CancellationError {
            OutputStream.error.write(
                "\(verb) of \(app.name) goes on in the background; 'paas status \(app.name)' shows it\n")
            throw CommandFailure.interrupted
        }
        switch outcome {
        case .reached(let app):
            try finish(app, options, sentence(app, took: (ContinuousClock.now - began).shortText))
        case .failed(let app, let reason):
            if options.json { OutputStream.standard.write(try JSONOutput.document(app)) }
            throw CommandFailure(
                .failure, "\(verb) of \(app.name) failed: \(reason)",
                hint: "'paas logs \(app.name)' and 'paas status \(app.name)' show more")
        case .timedOut(let app, let waitingFor):
            if options.json { OutputStream.standard.write(try JSONOutput.document(app)) }
            throw CommandFailure(
                .failure, "\(app.name) was not \(done) in time" + (waitingFor.map { ": \($0)" } ?? ""),
                hint: "it goes on in the background; 'paas status \(app.name)' shows it")
        }
    }

    private func finish(_ app: App, _ options: WaitOptions, _ sentence: String) throws {
        OutputStream.standard.write(options.json ? try JSONOutput.document(app) : sentence + "\n")
    }

    private func sentence(_ app: App, took: String) -> String {
        guard app.status == .running else { return "\(app.name) is \(app.status.rawValue) (\(took))" }
        let url = app.urls.first.map { ": \($0)" } ?? ""
        let count = app.instances == 1 ? "" : ", \(app.instancesReady) of \(app.instances) instances"
        return "\(app.name) is running\(url) (\(app.release)\(count), \(took))"
    }

    private static func tell(_ progress: AppWaiter.Progress) {
        // On a terminal only: a script wants the one line at the end.
        guard OutputStream.error.isTerminal else { return }
        switch progress {
        case .waiting(let sentence), .disconnected(let sentence):
            OutputStream.error.write("    \(DisplayText.escaped(sentence))\n")
        case .event: break
        }
    }
}
