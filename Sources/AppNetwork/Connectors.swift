// SPDX-License-Identifier: Apache-2.0

import LinuxSystem

/// Asks the connectors of runs for sockets, on a thread of its own: neither a slow `paas-init` nor a frozen cgroup holds
/// anybody else up, and without a request it makes no system call.
///
/// Concurrency proof for `@unchecked Sendable`: `links` is used on the loop's thread only.
final class Connectors: @unchecked Sendable {
    private let loop: EventLoop
    private var links: [String: ConnectorLink] = [:]

    /// Starts the thread.
    ///
    /// - Throws: `SystemError`.
    init() throws(SystemError) {
        loop = try EventLoop()
        loop.start(threadName: "connectors")
    }

    /// Gets a TCP socket that is connected to the app of a run.
    ///
    /// - Parameters:
    ///   - directory: the run's, with the connector's socket.
    ///   - completion: called once, on the connectors' thread; it owns the socket.
    func connect(
        through directory: String, timeout: Duration, completion: @escaping ConnectorRequest.Completion
    ) {
        loop.execute { [self] in
            let request = ConnectorRequest(loop: loop, timeout: timeout, completion: completion)
            do { try link(to: directory).ask(request) } catch {
                request.fail(AppNetworkError(.notRunning, "its paas-init cannot be reached: \(error)"))
            }
        }
    }

    /// Ends the link to a run that is over.
    func disconnect(from directory: String) {
        loop.execute { [self] in links[directory]?.close() }
    }

    /// Ends every link and the thread.
    func stop() {
        loop.execute { [self] in
            for link in Array(links.values) { link.close() }
        }
        loop.stopAndJoin()
    }

    private func link(to directory: String) throws(SystemError) -> ConnectorLink {
        if let link = links[directory] { return link }
        let link = try ConnectorLink(directory: directory, loop: loop) { [unowned self] in links[directory] = nil }
        links[directory] = link
        return link
    }
}
