// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// One step that the reconciler decided on.
enum ReconcileAction: Hashable, Sendable {
    /// Ask a node for a new instance of the target generation.
    case create(slot: Int, node: String)
    /// Take an instance's assignment away: the agent drains, stops and removes it.
    case retire(instanceID: String)
    /// The agent has removed the instance: drop its record.
    case forget(instanceID: String)
    /// Change what an instance should be doing.
    case setDesired(instanceID: String, DesiredState)
    /// Every instance of the target generation is ready: it serves now, and what served before leaves.
    case promote
    /// What served before has left the router: the rollout is over.
    case succeed
    /// The rollout has failed; what served before goes on.
    case fail(reason: String)
    /// The target became ready only after its rollout had failed, and nothing else serves.
    case adopt
    /// Show what the rollout waits for.
    case wait(message: String)
}
