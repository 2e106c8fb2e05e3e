// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import NIOSSL

extension ClientError {
    /// The error of a connection in this library's words; cancellation and this library's own errors pass unchanged.
    static func transport(_ error: any Error, endpoint: APIEndpoint) -> any Error {
        if error is ClientError || error is CancellationError { return error }
        if error as? HTTPClientError == .cancelled { return CancellationError() }
        return ClientError.unreachable(address: endpoint.description, cause: cause(error))
    }

    private static func cause(_ error: any Error) -> String {
        switch error {
        case let error as IOError: return reason(errnoCode: error.errnoCode)
        case let error as NIOConnectionError:
            // A name may have several addresses; the last one tried speaks for all.
            if let last = error.connectionErrors.last?.error as? IOError { return reason(errnoCode: last.errnoCode) }
            return "host name '\(error.host)' cannot be resolved"
        case let error as HTTPClientError where error == .connectTimeout: return "connecting took too long"
        case let error as HTTPClientError where error == .remoteConnectionClosed:
            return "the connection was closed before the answer was complete"
        case let error as HTTPClientError where error == .alreadyShutdown: return "this client is shut down"
        case let error as HTTPClientError: return error.shortDescription
        case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError:
            return "no trusted TLS connection (\(error)); is it https, and is its authority the system's or that of "
                + "--ca-certificate?"
        default: return "the connection failed (\(error))"
        }
    }

    private static func reason(errnoCode: CInt) -> String {
        switch errnoCode {
        case ECONNREFUSED: "connection refused"
        case ENOENT: "there is no such socket"
        case EACCES, EPERM: "permission denied"
        case ECONNRESET, EPIPE: "the connection was lost"
        default: IOError(errnoCode: errnoCode, reason: "connection").description
        }
    }
}
