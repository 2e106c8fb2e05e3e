// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

/// An app to test with.
func sampleApp(
    _ name: String = "shop", status: AppStatus = .running, rollout: Rollout? = nil,
    _ change: (inout App) -> Void = { _ in }
) throws -> App {
    var app = App(
        id: "a-1", name: try AppName(validating: name), command: .shell("./server"), status: status, port: 20_001,
        restarts: 2, instances: 1, instancesReady: status == .running ? 1 : 0, release: "v3",
        startedAt: Timestamp(microseconds: 0), createdAt: Timestamp(microseconds: 0),
        updatedAt: Timestamp(microseconds: 0))
    app.rollout = rollout
    change(&app)
    return app
}

/// A rollout to test with.
func sampleRollout(_ id: Int, _ phase: Rollout.Phase, _ message: String? = nil) -> Rollout {
    var rollout = Rollout(id: id, kind: .deploy, release: "v\(id)", startedAt: Timestamp(microseconds: 0))
    rollout.phase = phase
    rollout.message = message
    return rollout
}
