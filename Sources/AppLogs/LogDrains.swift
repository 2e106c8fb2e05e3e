// SPDX-License-Identifier: Apache-2.0

public import PaaSModel
internal import Synchronization

/// Whose lines are to be sent where. Any thread may use it; one service follows it.
public final class LogDrains: Sendable {
    /// One app's drain.
    public struct Target: Hashable, Sendable {
        /// The app's name.
        public var app: String
        /// Where to.
        public var address: LogDrainAddress

        /// Creates a target.
        public init(app: String, address: LogDrainAddress) {
            self.app = app
            self.address = address
        }
    }

    private struct State {
        var targets: [String: Target] = [:]
        var isClosed = false
    }

    private let state = Mutex(State())
    private let signal: AsyncStream<Void>.Continuation
    /// Has an element after every change of ``targets``; for one consumer.
    public let changes: AsyncStream<Void>

    init() {
        (changes, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Every app that has a drain, by its id.
    public var targets: [String: Target] { state.withLock { $0.targets } }

    /// Nothing is sent any more, and somebody else may go on with it.
    public var isClosed: Bool { state.withLock { $0.isClosed } }

    /// Sets an app's drain; nil, or an address `none`, takes it away.
    public func set(_ target: Target?, for appID: String) {
        let target = target?.address == LogDrainAddress.none ? nil : target
        let isChanged = state.withLock { state in
            guard !state.isClosed else { return false }
            defer { state.targets[appID] = target }
            return state.targets[appID] != target
        }
        if isChanged { signal.yield() }
    }

    /// Nothing is sent any more: another agent has the apps.
    public func close() {
        state.withLock { $0 = State(isClosed: true) }
        signal.yield()
    }
}
