// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization

/// An address that is known later, or never.
final class Binding: Sendable {
    private struct State {
        var result: Result<SocketAddress, any Error>?
        var waiters: [CheckedContinuation<SocketAddress, any Error>] = []
    }

    private let state = Mutex(State())

    func succeed(_ address: SocketAddress) { settle(.success(address)) }

    func fail(_ error: any Error) { settle(.failure(error)) }

    func address() async throws -> SocketAddress {
        try await withCheckedThrowingContinuation { continuation in
            let result = state.withLock { state in
                if state.result == nil { state.waiters.append(continuation) }
                return state.result
            }
            if let result { continuation.resume(with: result) }
        }
    }

    private func settle(_ result: Result<SocketAddress, any Error>) {
        let waiters = state.withLock { state in
            guard state.result == nil else { return [CheckedContinuation<SocketAddress, any Error>]() }
            state.result = result
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume(with: result) }
    }
}
