// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSClient
internal import PaaSModel
internal import ProgramSupport

/// How a command ends when it does not end well: an exit code of the contract, what failed, and what to do next.
struct CommandFailure: Error, Hashable {
    /// The process's exit code.
    let code: Int32
    /// One sentence on standard error; nil when everything has been said.
    let message: String?
    /// What to do next.
    let hint: String?

    init(_ status: ExitStatus, _ message: String? = nil, hint: String? = nil) {
        self.init(code: status.rawValue, message, hint: hint)
    }

    init(code: Int32, _ message: String? = nil, hint: String? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
    }

    /// Ctrl-C: 128 + SIGINT, as a shell reports it.
    static let interrupted = CommandFailure(code: 130)

    /// The one table from errors to exit codes. Nil for what ArgumentParser shows and exits with by itself.
    init?(_ error: any Error) {
        switch error {
        case let error as CommandFailure: self = error
        case is CancellationError: self = .interrupted
        case let error as ClientError: self.init(client: error)
        case let error as PaaSModel.ValidationError: self.init(.usage, error.description)
        case let error as ConfigurationError: self.init(.usage, error.description)
        default: return nil
        }
    }

    private init(client error: ClientError) {
        switch error {
        case .unreachable(let address, let cause):
            let denied = cause == "permission denied"
            self.init(
                .unreachable, "cannot reach the control plane at \(address): \(cause)",
                hint: denied
                    ? "run this as the user that runs paasd, or set PAAS_URL and PAAS_TOKEN"
                    : "is paasd running? start it with 'paasd' (in a checkout: 'deploy/quickstart'), or set PAAS_URL")
        case .problem(let problem): self.init(problem: problem)
        case .invalidEndpoint(let sentence): self.init(.usage, sentence, hint: "see --url and PAAS_URL")
        case .protocolError, .file: self.init(.failure, error.description)
        }
    }

    private init(problem: Problem) {
        switch problem.status {
        case 401:
            self.init(.notAllowed, problem.detail, hint: "give a token with --token or PAAS_TOKEN")
        case 403: self.init(.notAllowed, problem.detail)
        case 404 where problem.type.hasSuffix("/app-not-found"): self.init(.noSuchApp, problem.detail)
        case 400, 422: self.init(.usage, problem.detail)
        default: self.init(.failure, problem.detail)
        }
    }
}
