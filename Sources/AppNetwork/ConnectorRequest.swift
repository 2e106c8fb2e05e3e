// SPDX-License-Identifier: Apache-2.0

import LinuxSystem

/// One wish for a connection to an app, from the question to the connected socket. Used on the connectors' loop only.
final class ConnectorRequest {
    /// Gets a connected TCP socket that the receiver has to close, or why there is none.
    typealias Completion = @Sendable (Result<CInt, AppNetworkError>) -> Void

    private let loop: EventLoop
    private var completion: Completion?
    private var timer: EventLoop.Timer?
    /// While the app's queue is full the socket is not connected yet.
    private var socket: Shared<OwnedDescriptor>?
    private var registration: EventLoop.Registration?

    init(loop: EventLoop, timeout: Duration, completion: @escaping Completion) {
        self.loop = loop
        self.completion = completion
        timer = loop.schedule(after: timeout) { [weak self] in
            self?.fail(AppNetworkError(.timedOut, "the app did not take the connection in time"))
        }
    }

    /// It has failed or timed out; what still comes for it is closed.
    var isOver: Bool { completion == nil }

    func fail(_ error: AppNetworkError) { finish(.failure(error)) }

    /// Takes the socket that `paas-init` has begun to connect.
    func take(_ descriptor: consuming OwnedDescriptor) {
        guard !isOver else { return }
        switch TCPSocket.state(of: descriptor) {
        case .connected: finish(.success(descriptor.relinquish()))
        case .failed(let number):
            fail(AppNetworkError(.refused, "the app does not accept it (\(SystemError.name(ofErrno: number)))"))
        case .connecting: wait(for: descriptor)
        }
    }

    private func wait(for descriptor: consuming OwnedDescriptor) {
        let socket = Shared(descriptor)
        self.socket = socket
        do {
            // The request keeps itself alive until it is over, which the timer sees to.
            registration = try loop.register(socket.value, for: .writable) { self.connected() }
        } catch {
            fail(AppNetworkError(.refused, "\(error)"))
        }
    }

    private func connected() {
        guard let socket, let registration else { return }
        switch TCPSocket.state(of: socket.value) {
        case .connecting: return
        case .failed(let number):
            fail(AppNetworkError(.refused, "the app does not accept it (\(SystemError.name(ofErrno: number)))"))
        case .connected:
            // A duplicate, because a shared descriptor cannot be given away. It must leave the epoll before.
            loop.cancel(registration)
            self.registration = nil
            do { finish(.success(try socket.value.duplicate().relinquish())) } catch {
                fail(AppNetworkError(.refused, "\(error)"))
            }
        }
    }

    private func finish(_ result: Result<CInt, AppNetworkError>) {
        guard let completion else { return }
        self.completion = nil
        if let timer { loop.cancel(timer) }
        if let registration { loop.cancel(registration) }
        timer = nil
        registration = nil
        socket = nil
        completion(result)
    }
}
