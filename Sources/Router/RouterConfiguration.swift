// SPDX-License-Identifier: Apache-2.0

import PaaSModel

/// What a router listens on, how long it waits, and how much it accepts.
public struct RouterConfiguration: Sendable {
    /// Address to listen on, an IP address or a host name.
    public var host: String
    /// Port to listen on; 0 lets the kernel choose, see ``RouterServer/boundAddress``.
    public var port: Int
    /// Longest wait for the first byte of an answer once the request has been sent; then 504.
    public var firstByteTimeout: Duration = Defaults.firstByteTimeout
    /// Longest wait for a connection to an app; then 502.
    public var connectTimeout: Duration = .seconds(5)
    /// Longest time that a request head may take from its first byte to its last; then 408.
    public var headTimeout: Duration = .seconds(15)
    /// Longest silence in the middle of a request body; then 408. A slow app does not count against the client.
    public var bodyTimeout: Duration = .seconds(60)
    /// Bytes of content that earn a client a second of ``bodyTimeout`` back: a body that is slower than this is 408 once it has used
    /// it up, unless the app has begun to answer. 0: any byte earns all of it.
    public var bodyRate = 250
    /// Longest time that a client may take nothing of an answer that waits for it; then the answer is cut off.
    public var sendTimeout: Duration = .seconds(60)
    /// How long a client connection without a request is kept.
    public var idleTimeout: Duration = .seconds(75)
    /// How long an app gets to answer `Expect: 100-continue` before the router answers it.
    public var continueTimeout: Duration = .seconds(1)
    /// How long an app's connection without a request is kept.
    public var upstreamIdleTimeout: Duration = .seconds(60)
    /// How long an instance that accepted no connection gets no request while another one can take it.
    public var ejection: Duration = .seconds(5)
    /// Longest wait for open requests and streams at shutdown.
    public var shutdownGrace: Duration = Defaults.drain
    /// Sizes and counts.
    public var limits = RouterLimits()

    /// A configuration with the contract's defaults.
    public init(host: String = "127.0.0.1", port: Int = 8080) {
        self.host = host
        self.port = port
    }
}

/// Caps on everything that a stranger controls.
public struct RouterLimits: Sendable {
    /// Largest head of a request in bytes, request line included; then 431.
    public var requestHeadBytes = 32 << 10
    /// Longest request target in bytes; then 414.
    public var targetBytes = 8 << 10
    /// Largest number of fields in a head; then 431, or 502 for an app's answer.
    public var fieldCount = 100
    /// Largest head of an app's answer in bytes; then 502.
    public var responseHeadBytes = 64 << 10
    /// Client connections in all; more are closed at once.
    public var connections = 10_000
    /// Client connections from one address; more are closed at once.
    public var connectionsPerAddress = 4_000
    /// Requests, streams and tunnels of one app at a time; then 503.
    public var requestsPerApp = 5_000
    /// Requests at a time in one HTTP/2 connection.
    public var streamsPerConnection = 100
    /// Idle connections kept to one instance by one event loop. Never more than were needed at once a while ago.
    public var idleUpstreamConnections = 1_000

    /// The default limits.
    public init() {}
}
