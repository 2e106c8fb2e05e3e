// SPDX-License-Identifier: Apache-2.0

/// What a node can enforce, found out by its agent at start.
public struct NodeCapabilities: Codable, Hashable, Sendable {
    /// `unified`, or `hybrid` when a v2 tree exists beside v1 controllers.
    public var cgroupMode: String
    /// The cgroup below which the agent works.
    public var cgroupRoot: String
    /// Controllers that limits can use here: `cpu`, `memory`, `pids`, `io`, ….
    public var controllers: [String]
    /// The kernel's release.
    public var kernel: String
    /// Network modes this node offers, the default first.
    public var networks: [NetworkMode]
    /// Sandbox layers and whether each is in force here.
    public var layers: [SandboxLayer]
    /// Limits and whether each can be enforced here; nil when its agent does not tell.
    public var limits: [LimitSupport]?
    /// Bytes of memory that apps together may use; nil when the node cannot enforce that.
    public var appsMemoryBytes: Int64?
    /// Processes and threads that apps together may have; nil when the node cannot enforce that.
    public var appsProcesses: Int64?

    /// Creates the description.
    public init(
        cgroupMode: String, cgroupRoot: String, controllers: [String], kernel: String, networks: [NetworkMode],
        layers: [SandboxLayer]
    ) {
        self.cgroupMode = cgroupMode
        self.cgroupRoot = cgroupRoot
        self.controllers = controllers
        self.kernel = kernel
        self.networks = networks
        self.layers = layers
    }
}

/// One kind of limit on one node.
public struct LimitSupport: Codable, Hashable, Sendable {
    /// `memory`, `cpu`, `pids`, `io-max`, `io-weight` or `disk`.
    public var name: String
    /// An app that asks for it gets it; otherwise its deploy is refused.
    public var enforced: Bool
    /// Why not, and what would change that.
    public var detail: String?

    /// Creates a limit's description.
    public init(name: String, enforced: Bool, detail: String? = nil) {
        self.name = name
        self.enforced = enforced
        self.detail = detail
    }
}

/// One layer of the sandbox on one node.
public struct SandboxLayer: Codable, Hashable, Sendable {
    /// Name of the layer: `pid-namespace`, `no-new-privs`, ….
    public var name: String
    /// The layer protects apps here.
    public var enforced: Bool
    /// Why not; of a layer in force, what exactly is, where there are degrees (`ABI 7`).
    public var detail: String?
    /// What would change that, for a layer that is not in force.
    public var remedy: String?

    /// Creates a layer.
    public init(name: String, enforced: Bool, detail: String? = nil, remedy: String? = nil) {
        self.name = name
        self.enforced = enforced
        self.detail = detail
        self.remedy = remedy
    }
}

/// One element of `GET /nodes`.
public struct Node: Codable, Hashable, Sendable {
    /// The node's name.
    public var name: String
    /// Its agent is connected.
    public var connected: Bool
    /// Where its agent answers: `unix:/run/mini-paas/agent.sock`.
    public var agentAddress: String
    /// Where its router listens, `127.0.0.1:8080`.
    public var routerAddress: String
    /// The agent's version.
    public var version: String
    /// What it can enforce.
    public var capabilities: NodeCapabilities
    /// When the agent last registered.
    public var registeredAt: Timestamp?

    /// Creates a node.
    public init(
        name: String, connected: Bool, agentAddress: String, routerAddress: String, version: String,
        capabilities: NodeCapabilities, registeredAt: Timestamp? = nil
    ) {
        self.name = name
        self.connected = connected
        self.agentAddress = agentAddress
        self.routerAddress = routerAddress
        self.version = version
        self.capabilities = capabilities
        self.registeredAt = registeredAt
    }
}
