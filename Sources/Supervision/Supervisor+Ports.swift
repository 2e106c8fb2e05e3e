// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem
internal import Logging
internal import PaaSModel

extension Supervisor {
    /// A port for the next run: the instance's own, or the next that is free. For a run with a network of its own it is
    /// held on the host from now on, so that nobody can take it between two runs.
    ///
    /// - Throws: `SupervisionError` when no port is free, or none can be held.
    func takePort(for instance: ManagedInstance, network: NetworkMode) throws -> UInt16 {
        // The machine's table of sockets may be long, and a run that follows another has its port already.
        lazy var listening = TCPSockets.listening(ofProcess: getpid())
        // An app on the host's network listens itself.
        if network == .host { dependencies.portHolder.release(instanceID: instance.id) }
        var taken: Set<UInt16> = []
        while let port = ports.allocate(
            owner: instance.id, isFree: { !listening.contains(port: $0) && !taken.contains($0) })
        {
            if network == .host { return port }
            do {
                try dependencies.portHolder.hold(port: port, instanceID: instance.id)
                return port
            } catch let error as SystemError where error.errno == EADDRINUSE {
                taken.insert(port)
                ports.release(owner: instance.id)
            } catch {
                // Another port would not help: no descriptor is left, say.
                ports.release(owner: instance.id)
                throw SupervisionError("cannot hold port \(port) for it: \(error)", isPermanent: false)
            }
        }
        let range = configuration.portRange
        throw SupervisionError(
            "no port between \(range.lowerBound) and \(range.upperBound) is free; give the agent a larger --port-range",
            isPermanent: false)
    }

    /// Keeps the port of a run that an earlier agent has started.
    func reservePort(of run: RunRecord, instanceID: String) {
        guard ports.reserve(run.port, owner: instanceID), (run.network ?? .host) != .host else { return }
        // The run goes on without it: the router takes another way. The next run gets another port.
        if !hold(run.port, for: instanceID) { ports.release(owner: instanceID) }
    }

    /// Nothing of the instance runs, and nothing will soon.
    func releasePort(of instance: ManagedInstance) {
        // First, so that nobody is led to the port once it may be somebody else's.
        publishRoute(ofApp: instance.app)
        ports.release(owner: instance.id)
        dependencies.portHolder.release(instanceID: instance.id)
    }

    /// Lets connections reach a run that has a network of its own.
    func openNetwork(of run: Run) {
        guard run.hasOwnNetwork else { return }
        dependencies.portHolder.open(
            instanceID: run.assignment.instanceID, runDirectory: directory.run(run.id))
    }

    private func hold(_ port: UInt16, for instanceID: String) -> Bool {
        do {
            try dependencies.portHolder.hold(port: port, instanceID: instanceID)
            return true
        } catch {
            dependencies.logger.warning("cannot hold a port for an app", metadata: ["error": "\(error)"])
            return false
        }
    }
}
