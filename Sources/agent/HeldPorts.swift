// SPDX-License-Identifier: Apache-2.0

import AppNetwork
import Supervision

/// Joins the supervisor to the host's side of the apps' networks, which do not know each other.
struct HeldPorts: PortHolder {
    let network: AppNetwork

    func hold(port: UInt16, instanceID: String) throws { try network.hold(port: port, instanceID: instanceID) }

    func open(instanceID: String, runDirectory: String) {
        network.open(instanceID: instanceID, runDirectory: runDirectory)
    }

    func close(instanceID: String) { network.close(instanceID: instanceID) }

    func release(instanceID: String) { network.release(instanceID: instanceID) }
}
