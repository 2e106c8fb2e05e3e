// SPDX-License-Identifier: Apache-2.0

internal import PaaSClient
internal import PaaSModel
internal import ProgramSupport

/// Waits until an app is as a command wants it: an event is a wake-up, what counts is the app as it is read then.
struct AppWaiter: Sendable {
    /// What there is to tell meanwhile.
    enum Progress: Hashable {
        /// What it waits for now; told when it changes.
        case waiting(String)
        /// Something happened to the app.
        case event(Event)
        /// The control plane does not answer; the waiting goes on.
        case disconnected(String)
    }

    /// How the waiting ended.
    enum Outcome: Hashable {
        case reached(App)
        case failed(App, reason: String)
        /// The time is over; what it was waiting for.
        case timedOut(App, waitingFor: String?)
    }

    let client: PaaSClient
    let goal: WaitGoal
    let timeout: Duration
    /// Events after this one are told; nil tells none.
    var eventsSince: Int64?

    /// Waits.
    ///
    /// - Parameter app: the app as the command's answer showed it; followed by its id, which outlives its name.
    /// - Throws: `CommandFailure` when the app is destroyed meanwhile, `CancellationError`.
    func wait(for app: App, report: @escaping @Sendable (Progress) -> Void) async throws -> Outcome {
        let deadline = ContinuousClock.now + timeout
        let (wakeUps, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        return try await withThrowingTaskGroup(of: Outcome?.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                await follow(app, wake: wake, report: report)
                return nil
            }
            group.addTask {
                // The floor: notices a lost event and the deadline.
                while (try? await Task.sleep(for: .seconds(1))) != nil { wake.yield() }
                return nil
            }
            group.addTask { try await judge(app, wakeUps, until: deadline, report: report) }
            while let result = try await group.next() {
                if let outcome = result { return outcome }
            }
            throw CancellationError()
        }
    }

    private func judge(
        _ first: App, _ wakeUps: AsyncStream<Void>, until deadline: ContinuousClock.Instant,
        report: @Sendable (Progress) -> Void
    ) async throws -> Outcome {
        var app = first
        var told: String?
        var disconnected = false
        var iterator = wakeUps.makeAsyncIterator()
        while true {
            var waitingFor: String?
            switch goal.verdict(on: app) {
            case .reached: return .reached(app)
            case .failed(let reason): return .failed(app, reason: reason)
            case .waiting(let message): waitingFor = message
            }
            if let waitingFor, waitingFor != told {
                report(.waiting(waitingFor))
                told = waitingFor
            }
            if ContinuousClock.now >= deadline { return .timedOut(app, waitingFor: waitingFor ?? told) }
            guard await iterator.next() != nil else { throw CancellationError() }
            do {
                app = try await client.app(app.id)
                disconnected = false
            } catch ClientError.problem(let problem) where problem.status == 404 {
                throw CommandFailure(.failure, "\(first.name) was destroyed meanwhile")
            } catch let error as ClientError where error.isTransient {
                if !disconnected { report(.disconnected(error.description)) }
                disconnected = true
            }
        }
    }

    /// Turns events into wake-ups until cancelled, over any number of connections.
    private func follow(
        _ app: App, wake: AsyncStream<Void>.Continuation, report: @Sendable (Progress) -> Void
    ) async {
        var last = eventsSince
        while !Task.isCancelled {
            do {
                for try await event in try await client.followEvents(app: app.id, since: last, limit: 100) {
                    last = max(last ?? 0, event.id)
                    if eventsSince != nil { report(.event(event)) }
                    wake.yield()
                }
            } catch let error as ClientError where !error.isTransient {
                return
            } catch {
                // The next connection goes on after the last event.
            }
            try? await Task.sleep(for: .milliseconds(500))
        }
    }
}
