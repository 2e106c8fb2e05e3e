// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import Logging
import ServiceLifecycle
import Synchronization

/// What two agents of one home say to each other when one takes the other's place, over a Unix socket in the run
/// directory:
///
/// 1. the new one connects and sends `take over 1`
/// 2. the old one stops supervising, gives up its locks, and answers with messages of names of its listening sockets, one a
///    line, and the sockets themselves, and `end`; it goes on accepting and serving by the routes of that moment
/// 3. the new one adopts the apps, listens, and sends `ready`: only now does the old one stop accepting, drain and end
///
/// If the connection ends before `ready`, the new agent has failed, and the old one starts itself anew.
enum Handover {
    static let request = Array("take over 1".utf8)
    static let ready = Array("ready".utf8)

    /// The name of the router's socket, also in `LISTEN_FDNAMES`.
    static let routerSocket = "router"
    /// The same for the socket for TLS.
    static let routerTLSSocket = "router-tls"
    static let end = Array("end".utf8)

    /// The name of the socket on the host for an app with a network of its own.
    static func name(ofPort port: UInt16, _ instanceID: String) -> String { "port-\(port)-\(instanceID)" }

    /// What such a name says.
    static func heldPort(_ name: String) -> (port: UInt16, instanceID: String)? {
        let parts = name.split(separator: "-", maxSplits: 2).map(String.init)
        guard parts.count == 3, parts[0] == "port", let port = UInt16(parts[1]) else { return nil }
        return (port, parts[2])
    }
}

/// Sockets that listen already, by name, of whoever takes them first: one that is kept here as well would go on listening
/// after it was given up, with nobody to accept.
final class HandedSockets: Sendable {
    private let sockets: Mutex<[String: Shared<OwnedDescriptor>]>

    init(_ sockets: [String: Shared<OwnedDescriptor>]) { self.sockets = Mutex(sockets) }

    /// Takes them all.
    func take() -> [String: Shared<OwnedDescriptor>] {
        sockets.withLock { sockets in
            defer { sockets = [:] }
            return sockets
        }
    }
}

/// The new agent's side.
struct Takeover: Sendable {
    /// The old agent's listening sockets.
    let sockets: HandedSockets
    private let connection: Shared<MessageSocket>

    /// Asks the agent that runs to go; nil when none runs, or when it has ended before it had handed over. Blocks until it
    /// has given up its locks.
    ///
    /// - Throws: `ProgramError` when there is one that does not answer as it should.
    init?(at path: String) throws {
        do throws(SystemError) {
            let socket = try MessageSocket.connect(to: path, waits: true)
            try socket.send(Handover.request)
            guard let received = try Self.receive(from: socket) else { return nil }
            sockets = HandedSockets(received)
            connection = Shared(socket)
        } catch {
            // It is not there, or it is there no more. One that lives and has turned this one away has the lock.
            if [ENOENT, ECONNREFUSED, ECONNRESET, EPIPE].contains(error.errno) { return nil }
            throw ProgramError("the agent that runs cannot be asked to hand over: \(error)")
        }
    }

    /// What the old agent hands over; nil when it ends in the midst of it.
    private static func receive(
        from socket: borrowing MessageSocket
    ) throws(SystemError) -> [String: Shared<OwnedDescriptor>]? {
        var sockets: [String: Shared<OwnedDescriptor>] = [:]
        while let message = try socket.receive(), !message.bytes.isEmpty {
            if message.bytes == Handover.end { return sockets }
            let names = String(decoding: message.bytes, as: UTF8.self).split(separator: "\n").map(String.init)
            let descriptors = message.takeDescriptors()
            guard names.count == descriptors.count else {
                throw SystemError(
                    operation: "recvmsg", errno: EPROTO, hint: "it sent \(descriptors.count) sockets for \(names)")
            }
            for (name, descriptor) in zip(names, descriptors) { sockets[name] = descriptor }
        }
        return nil
    }

    /// This agent serves: the old one may go.
    func complete() throws { try connection.value.send(Handover.ready) }
}

/// The old agent's side: waits for another one, and hands over once.
actor HandoverServer: Service {
    /// What the agent does when its place is taken.
    struct Actions: Sendable {
        /// Stops supervising and gives up the locks; returns the listening sockets by name.
        var leave: @Sendable () async throws -> [(name: String, socket: Shared<OwnedDescriptor>)]
        /// The new agent serves.
        var replaced: @Sendable () -> Void
        /// The new agent has failed after this one has left.
        var startAnew: @Sendable () -> Never
    }

    /// Below the kernel's limit of descriptors in a message, and their names well below that of its size.
    private static let socketsPerMessage = 200
    /// Pause after an error of accept4, for lack of descriptors say, which would come again at once.
    private static let acceptPause = Duration.milliseconds(100)

    private nonisolated let loop: EventLoop
    private let path: String
    private let actions: Actions
    private let logger: Logger
    private let listener: Shared<MessageSocket>
    private var registration: EventLoop.Registration?
    private var acceptTimer: EventLoop.Timer?
    /// Accepting has failed since the last success; said once.
    private var isFailing = false
    private var connection: (socket: Shared<MessageSocket>, registration: EventLoop.Registration)?
    private var hasLeft = false

    init(path: String, loop: EventLoop, actions: Actions, logger: Logger) throws {
        self.path = path
        self.loop = loop
        self.actions = actions
        self.logger = logger
        listener = Shared(try MessageSocket.listen(at: path))
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    /// Serves until graceful shutdown.
    func run() async throws {
        try listen()
        try? await gracefulShutdown()
        stop()
    }

    private func listen() throws(SystemError) {
        registration = try loop.register(listener.value.descriptor, for: .readable) { [unowned self] in
            assumeIsolated { $0.accept() }
        }
    }

    private func stop() {
        if let registration { loop.cancel(registration) }
        if let acceptTimer { loop.cancel(acceptTimer) }
        registration = nil
        acceptTimer = nil
        closeConnection()
        // After a handover the path is the new agent's.
        if !hasLeft { unlink(path) }
    }

    private func closeConnection() {
        if let connection { loop.cancel(connection.registration) }
        connection = nil
    }

    private func accept() {
        do throws(SystemError) {
            guard let socket = try listener.value.accept() else { return }
            isFailing = false
            // One at a time. An earlier one that has gone, or asks for nothing, makes room; once it has asked, the new one is
            // turned away.
            if connection != nil, !hasLeft { read() }
            guard connection == nil, !hasLeft else { return }
            let shared = Shared(socket)
            let registration = try loop.register(shared.value.descriptor, for: .readable) { [unowned self] in
                assumeIsolated { $0.read() }
            }
            connection = (shared, registration)
        } catch {
            if !isFailing { logger.warning("another agent could not be talked to", metadata: ["error": "\(error)"]) }
            // Somebody who was turned away is gone; anybody else still waits, and would be reported again and again.
            if error.errno != EPERM { pauseAccepting() }
        }
    }

    private func pauseAccepting() {
        isFailing = true
        if let registration { loop.cancel(registration) }
        registration = nil
        acceptTimer = loop.schedule(after: Self.acceptPause) { [unowned self] in
            assumeIsolated { server in
                server.acceptTimer = nil
                do { try server.listen() } catch { server.pauseAccepting() }
            }
        }
    }

    private func read() {
        guard let socket = connection?.socket else { return }
        let message = try? socket.value.receive()
        if hasLeft {
            guard let message else { return }
            guard message.bytes == Handover.ready else {
                logger.error("the agent that was to take over has failed; starting anew")
                actions.startAnew()
            }
            closeConnection()
            logger.notice("another agent has taken over; ending when the open requests are done")
            actions.replaced()
            return
        }
        guard let message, message.bytes == Handover.request else { return closeConnection() }
        hasLeft = true
        logger.notice("another agent takes over")
        Task {
            do {
                var sockets = try await actions.leave()[...]
                while !sockets.isEmpty {
                    let part = sockets.prefix(Self.socketsPerMessage)
                    sockets = sockets.dropFirst(part.count)
                    try socket.value.send(
                        Array(part.map(\.name).joined(separator: "\n").utf8),
                        descriptors: part.map { $0.socket.value.rawValue })
                }
                try socket.value.send(Handover.end)
            } catch {
                logger.error("cannot hand over; starting anew", metadata: ["error": "\(error)"])
                actions.startAnew()
            }
        }
    }
}

/// Replaces this process by a new run of the same program, which keeps the listening sockets.
enum SelfRestart {
    /// Set for the new run; see ``isOne()``.
    private static let variable = "PAAS_AGENT_STARTED_ANEW"

    /// This process is such a run: the agent that was to take over may still be on its way out. Call it once: it takes the
    /// variable away from what this process starts.
    static func isOne() -> Bool {
        defer { unsetenv(variable) }
        return getenv(variable) != nil
    }

    /// - Parameter sockets: by the names that ``ListeningSocket/inherited()`` will find.
    static func run(sockets: [(name: String, socket: Shared<OwnedDescriptor>)]) -> Never {
        setenv(variable, "1", 1)
        let error = ListeningSocket.executeAgain(
            arguments: CommandLine.arguments.filter { $0 != "--replace" }, keeping: sockets)
        // Nothing supervises any more: better no process, which somebody notices, than one that does nothing.
        fatalError("cannot execute this program again: \(error)")
    }
}
