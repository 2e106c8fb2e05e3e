// SPDX-License-Identifier: Apache-2.0

import LinuxSystem

/// The connection to the connector of one run's `paas-init`; see paas_init_protocol.h. Used on the loop's thread only.
///
/// Answers come in the order of the requests. Only a few are open at a time, so that `paas-init` never has to wait for
/// this side to read; the rest queues here.
final class ConnectorLink {
    /// Name of the socket in a run's directory.
    static let socketName = "connector"
    /// struct paas_init_connector_request: the magic number, in the machine's byte order.
    private static let request: [UInt8] = withUnsafeBytes(of: UInt32(0x4E43_5050)) { Array($0) }
    /// Requests that `paas-init` has not answered.
    private static let openLimit = 32
    /// Requests that wait for their turn.
    private static let queueLimit = 1_024

    private let loop: EventLoop
    private let socket: Shared<MessageSocket>
    private var registration: EventLoop.Registration?
    private var open: [ConnectorRequest] = []
    private var queue: [ConnectorRequest] = []
    /// Called once when the link is of no use any more.
    private let onEnd: () -> Void

    /// Connects.
    ///
    /// - Throws: `SystemError` when nobody listens.
    init(directory: String, loop: EventLoop, onEnd: @escaping () -> Void) throws(SystemError) {
        self.loop = loop
        self.onEnd = onEnd
        socket = Shared(try MessageSocket.connect(to: "\(directory)/\(Self.socketName)", waits: false))
        registration = try loop.register(socket.value.descriptor, for: .readable) { [unowned self] in receive() }
    }

    /// Asks for a socket.
    func ask(_ request: ConnectorRequest) {
        queue.removeAll(where: \.isOver)
        guard queue.count < Self.queueLimit else {
            return request.fail(AppNetworkError(.busy, "too many connections to it are being made"))
        }
        queue.append(request)
        pump()
    }

    /// Ends the link; what it was asked for fails.
    func close() {
        guard let registration else { return }
        self.registration = nil
        loop.cancel(registration)
        onEnd()
        let left = open + queue
        open = []
        queue = []
        for request in left { request.fail(AppNetworkError(.notRunning, "its run has ended")) }
    }

    private func pump() {
        while registration != nil, open.count < Self.openLimit, !queue.isEmpty {
            let request = queue.removeFirst()
            if request.isOver { continue }
            open.append(request)
            do { try socket.value.send(Self.request) } catch { close() }
        }
    }

    private func receive() {
        do {
            while registration != nil, let answer = try socket.value.receive(limit: 8, descriptors: 1) {
                // 0 bytes: the end. Anything but an answer to a question: not a connector.
                guard answer.bytes.count == 4, !open.isEmpty else { return close() }
                let number = answer.bytes.withUnsafeBytes { $0.loadUnaligned(as: Int32.self) }
                let request = open.removeFirst()
                if let descriptor = answer.takeDescriptor() {
                    request.take(descriptor)
                } else {
                    request.fail(
                        AppNetworkError(.refused, "paas-init cannot make it (\(SystemError.name(ofErrno: number)))"))
                }
            }
            pump()
        } catch {
            close()
        }
    }
}
