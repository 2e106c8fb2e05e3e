// SPDX-License-Identifier: Apache-2.0

public import PaaSModel

/// What can go wrong between a client and the control plane. `description` is one sentence for people.
public enum ClientError: Error, CustomStringConvertible, Sendable {
    /// Nothing answered, or the connection was lost before the answer was complete.
    case unreachable(address: String, cause: String)
    /// The control plane answered with an error, RFC 9457; `Problem.status` is the HTTP status.
    case problem(Problem)
    /// Something answered that does not speak this API, or not all of it.
    case protocolError(String)
    /// An address that cannot be one.
    case invalidEndpoint(String)
    /// A file on this side cannot be read or written: the path and the system's reason.
    case file(path: String, cause: String)

    /// What failed, in one sentence without a secret.
    public var description: String {
        switch self {
        case .unreachable(let address, let cause): "no answer from \(address): \(cause)"
        case .problem(let problem): problem.detail
        case .protocolError(let sentence), .invalidEndpoint(let sentence): sentence
        case .file(let path, let cause): "\(path): \(cause)"
        }
    }

    /// The same request may succeed later without anybody changing it: no answer, 429, or a 5xx.
    public var isTransient: Bool {
        switch self {
        case .unreachable: true
        case .problem(let problem): problem.status == 429 || problem.status >= 500
        case .protocolError, .invalidEndpoint, .file: false
        }
    }
}
