// SPDX-License-Identifier: Apache-2.0

internal import AppLogs
internal import LinuxSystem
internal import PaaSModel

/// A syslog server, on a thread of its own that its socket may block for a bounded time.
///
/// Over TCP a batch is delivered when the other machine has acknowledged all of it and the connection still stands. Syslog has
/// no acknowledgement of its own: what a server has received and not read when it is killed is lost. Over UDP it is delivered
/// when the kernel has taken it; to a Unix socket when it is in the server's queue.
actor SyslogSink: DrainSink {
    private let address: LogDrainAddress
    private let loop: EventLoop
    private var connection: Connection?

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    /// - Throws: `SystemError` when the thread cannot be had.
    init(address: LogDrainAddress) throws(SystemError) {
        self.address = address
        loop = try EventLoop()
        loop.start(threadName: "log-drain")
    }

    deinit { loop.stop() }

    func deliver(_ batch: LogBatch, from origin: LogOrigin) throws {
        do {
            let connection = try self.connection ?? Connection(to: address)
            self.connection = connection
            try connection.deliver(SyslogMessage.messages(batch, from: origin))
        } catch {
            connection = nil
            throw error
        }
    }

    /// One connection, until it fails.
    private final class Connection {
        private let socket: CollectorSocket
        private let isStream: Bool

        init(to address: LogDrainAddress) throws(SystemError) {
            switch address {
            case .syslogTCP(let host, let port): socket = try .connect(host: host, port: port, isStream: true)
            case .syslogUDP(let host, let port): socket = try .connect(host: host, port: port, isStream: false)
            case .syslogUnix(let path): socket = try .connect(datagramsTo: path)
            case .none, .http: preconditionFailure("\(address) is no syslog server")
            }
            if case .syslogTCP = address { isStream = true } else { isStream = false }
        }

        func deliver(_ messages: [[UInt8]]) throws(SystemError) {
            guard isStream else {
                for message in messages { try socket.send(message) }
                return
            }
            // Each with its length in front, since a text may hold anything (RFC 6587, 3.4.1).
            var bytes: [UInt8] = []
            for message in messages { bytes += Array("\(message.count) ".utf8) + message }
            try socket.send(bytes)
            try socket.waitUntilAcknowledged()
        }
    }
}
