// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// What a command waits for. Decided from the app alone, so that a missed event never matters.
enum WaitGoal: Hashable {
    /// A rollout, or a later one that took its place, has ended.
    case rollout(id: Int)
    /// Nothing of the app runs.
    case stopped

    /// Where things stand.
    enum Verdict: Hashable {
        /// Not yet; one sentence that says what it waits for, when that is known.
        case waiting(String?)
        /// It is so.
        case reached
        /// It will not be so; one sentence that says why.
        case failed(String)
    }

    /// Judges the app as it is now.
    func verdict(on app: App) -> Verdict {
        switch self {
        case .rollout(let id):
            guard let rollout = app.rollout, rollout.id >= id else { return .waiting(nil) }
            switch rollout.phase {
            case .progressing: return .waiting(rollout.message)
            case .succeeded: return .reached
            case .failed: return .failed(rollout.message ?? app.reason ?? "no reason was given")
            }
        case .stopped:
            if app.status == .stopped { return .reached }
            if app.desired == .running { return .failed("it was started again meanwhile") }
            return .waiting(app.reason ?? "waiting for its processes to end")
        }
    }
}
