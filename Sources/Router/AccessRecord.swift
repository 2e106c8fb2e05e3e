// SPDX-License-Identifier: Apache-2.0

public import PaaSModel

/// One line of the access log: a request that is over, tunnels included.
public struct AccessRecord: Sendable, Hashable {
    /// When the head of the request had arrived.
    public var time: Timestamp
    /// The app's name as asked for; nil when the request named none.
    public var app: String?
    /// The client's IP address.
    public var client: String
    /// The method as the client sent it.
    public var method: String
    /// The request target without its query, which may hold secrets; at most 1,024 characters.
    public var path: String
    /// The status sent to the client; 499 when the client left before there was one.
    public var status: Int
    /// Body bytes sent to the client, in both directions for a tunnel.
    public var bytes: Int64
    /// From the request's head to the last byte handed to the kernel.
    public var duration: Duration
    /// The instance that worked on it; nil when the router answered alone.
    public var upstreamID: String?
    /// The X-Request-Id that app and client got.
    public var requestID: RequestID
    /// The answer was cut off: the client left, or the app broke its answer off.
    public var isCut: Bool

    /// Creates a record.
    public init(
        time: Timestamp, app: String?, client: String, method: String, path: String, status: Int, bytes: Int64,
        duration: Duration, upstreamID: String?, requestID: RequestID, isCut: Bool
    ) {
        self.time = time
        self.app = app
        self.client = client
        self.method = method
        self.path = path
        self.status = status
        self.bytes = bytes
        self.duration = duration
        self.upstreamID = upstreamID
        self.requestID = requestID
        self.isCut = isCut
    }
}
