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
    }

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
}

/// Gets bundles onto this node.
public protocol BundleProvider: Sendable {
    /// Puts the bundle's files into a directory that does not exist yet; on failure it does not exist afterwards.
    ///
    /// - Parameters:
    ///   - directory: absolute path; its parent exists.
    ///   - userID: the app's uid, which unpacks and owns the files: an archive is as untrusted as the app.
    /// - Throws: an error that describes itself in one sentence.
    func unpack(bundle sha256: String, into directory: String, userID: UInt32) async throws
}

/// Asks an app's health path.
public protocol HealthProber: Sendable {
    /// Nil when the path answers 2xx or 3xx in time, otherwise why not, in one clause: `answered 500`.
    func failure(port: UInt16, path: String, timeout: Duration) async -> String?
}
