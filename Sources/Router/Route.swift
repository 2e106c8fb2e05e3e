// SPDX-License-Identifier: Apache-2.0

public import NIOCore

/// Opens connections to instances that are not reached by their address.
///
/// Called on the thread that will use the connection, with an event loop for the future, which may be another one. Returns
/// nil for an instance that is reached by its address; otherwise a TCP socket that is connected, and the router's to close.
public typealias UpstreamSocketSource =
    @Sendable (_ upstream: Upstream, _ eventLoop: any EventLoop, _ timeout: Duration) -> EventLoopFuture<
        NIOBSDSocket.Handle
    >?

/// One instance of an app that can take requests.
public struct Upstream: Sendable, Hashable {
    /// The instance's id.
    public var id: String
    /// Where it listens: an IP address or a host name.
    public var host: String
    /// The TCP port.
    public var port: Int

    /// Creates an upstream.
    public init(id: String, host: String, port: Int) {
        self.id = id
        self.host = host
        self.port = port
    }
}

/// Where the requests of one app go.
public struct Route: Sendable, Equatable {
    /// What the app can do with a request now.
    public enum State: Sendable, Equatable {
        /// No instance is ready yet; the message says what is waited for. Answered by 503 with `Retry-After`.
        case starting(message: String)
        /// The upstreams answer. Without any, the app counts as starting.
        case ready
        /// No instance will become ready by itself; the message says why. Answered by 503.
        case failed(message: String)
        /// The app is stopped, as wanted. Answered by 503.
        case stopped
    }

    /// What the app can do with a request now.
    public var state: State
    /// The ready instances; used only when `state` is ready.
    public var upstreams: [Upstream]

    /// Creates a route.
    public init(state: State, upstreams: [Upstream] = []) {
        self.state = state
        self.upstreams = upstreams
    }
}
