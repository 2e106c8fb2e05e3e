// SPDX-License-Identifier: Apache-2.0

/// When a run that ended is started again.
public enum RestartPolicy: String, Codable, CaseIterable, Hashable, Sendable {
    /// Whatever the exit was. The default.
    case always
    /// Only when it ended by a signal or a non-zero code.
    case onFailure = "on-failure"
    /// Not at all.
    case never
}

/// What network an app sees.
public enum NetworkMode: String, Codable, CaseIterable, Hashable, Sendable {
    /// A network namespace of its own with nothing but loopback; the router reaches in.
    case isolated
    /// Isolated, plus connections to the outside.
    case egress
    /// The host's network, for apps you trust.
    case host
}

/// How strictly an app is confined.
public enum SandboxProfile: String, Codable, CaseIterable, Hashable, Sendable {
    /// The default: every layer that design and node offer.
    case standard
    /// Fewer system calls, no executable files in `/data`.
    case strict
    /// No confinement beyond the cgroup, where the operator allowed it.
    case off
}

/// A signal that asks an app to stop.
public enum StopSignal: String, Codable, CaseIterable, Hashable, Sendable {
    /// The default.
    case term = "SIGTERM"
    /// As Ctrl-C sends it.
    case interrupt = "SIGINT"
    /// Graceful shutdown in nginx and others.
    case quit = "SIGQUIT"
    /// Terminal hang-up.
    case hangup = "SIGHUP"
    /// User signal 1.
    case user1 = "SIGUSR1"
    /// User signal 2.
    case user2 = "SIGUSR2"
}
