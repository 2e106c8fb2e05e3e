// SPDX-License-Identifier: Apache-2.0

public import PaaSModel

/// Where requests for an app may go, as the supervisor sees it. The agent's main hands it to the router.
public struct AppRoute: Hashable, Sendable {
    /// Why an app has no endpoint, or that it has one.
    public enum State: Hashable, Sendable {
        case starting(message: String)
        case ready
        case failed(message: String)
        case stopped
    }

    /// One instance that may get requests.
    public struct Endpoint: Hashable, Sendable {
        /// See `Assignment.instanceID`.
        public var instanceID: String
        /// TCP port on 127.0.0.1.
        public var port: UInt16
        /// The slot, `web.1`.
        public var instance: String
        /// The release, `v1`.
        public var release: String
    }

    /// See `Assignment.appID`.
    public var appID: String
    /// What to tell a client when there is no endpoint.
    public var state: State
    /// Ready instances, in the order of their slots.
    public var endpoints: [Endpoint]
}

/// Takes routes from the supervisor. Calls come from its thread and must not block.
public protocol RouteSink: Sendable {
    /// Requests that arrive from now on go by this route; nil when the app has left this node.
    func setRoute(_ route: AppRoute?, app: AppName)

    /// Returns once the instance has no request in flight, or the limit has passed.
    func drain(instanceID: String, limit: Duration) async

    /// Deletes what was recorded of the requests for an app that is destroyed.
    func removeRecords(ofApp appID: String)
}

/// Gets bundles onto this node.
public protocol BundleProvider: Sendable {
    /// Puts the bundle's files into a directory that does not exist yet; on failure it does not exist afterwards.
    ///
    /// - Parameters:
    ///   - sha256: which one.
    ///   - directory: absolute path; its parent exists.
    ///   - userID: the app's uid, which unpacks and owns the files: an archive is as untrusted as the app.
    /// - Throws: an error that describes itself in one sentence.
    func unpack(bundle sha256: String, into directory: String, userID: UInt32) async throws
}

/// Asks an app's health path.
public protocol HealthProber: Sendable {
    /// Nil when the path answers 2xx or 3xx in time, otherwise why not, in one clause: `answered 500`.
    func failure(instanceID: String, port: UInt16, path: String, timeout: Duration) async -> String?
}

/// Keeps the ports of instances that have a network of their own, and leads connections to their runs. Calls come from
/// the supervisor's thread and must not block.
public protocol PortHolder: Sendable {
    /// Listens on 127.0.0.1:port for an instance until it is released; again and again is the same as once.
    ///
    /// - Throws: an error that describes itself in one sentence: somebody else has the port.
    func hold(port: UInt16, instanceID: String) throws

    /// The instance has a run, whose directory holds the connector's socket.
    func open(instanceID: String, runDirectory: String)

    /// The instance's run has ended.
    func close(instanceID: String)

    /// Nobody has to keep the instance's port any more.
    func release(instanceID: String)
}
