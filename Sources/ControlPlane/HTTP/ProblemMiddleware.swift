// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOHTTP1
internal import PaaSModel

/// Turns every error into `application/problem+json` (RFC 9457); the one table from errors to HTTP statuses.
struct ProblemMiddleware: RouterMiddleware {
    typealias Context = APIContext

    let routes: RouteIndex

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch {
            return try response(to: error, request, context)
        }
    }

    private func response(to error: any Error, _ request: Request, _ context: APIContext) throws -> Response {
        var headers: HTTPFields = [:]
        let problem: Problem
        switch error {
        case let error as Problem: problem = error
        case let error as ValidationError: problem = .invalid(error)
        case let error as TokenAuthenticator.TooManyFailures:
            problem = .tooManyFailures
            headers[.retryAfter] = String(error.retryAfterSeconds)
        case StoreError.compacted(let revision): problem = .historyGone(revision)
        case let error as StoreError: problem = .store(error)
        case is CancellationError: problem = .stopping
        // The head was right, else nobody were here: it is the body.
        case is HTTPParserError: problem = .malformed("the body is not framed as HTTP/1.1 has it (RFC 9112 §7.1)")
        case let error as HTTPError where error.status == .notFound:
            let allowed = routes.methods(for: request.uri.path)
            if allowed.isEmpty {
                problem = .routeNotFound(request.uri.path)
            } else {
                problem = .methodNotAllowed(request.method.rawValue, allowed: allowed)
                headers[.allow] = allowed.joined(separator: ", ")
            }
        case let error as HTTPError where error.status.kind == .clientError:
            problem = .malformed(error.body ?? error.status.reasonPhrase)
        default:
            problem = .internalError
            context.logger.error("request failed", metadata: ["path": "\(request.uri.path)", "error": "\(error)"])
        }
        switch problem.status {
        case 401: headers[.wwwAuthenticate] = "Bearer realm=\"mini-paas\""
        case 429, 503: headers[.retryAfter] = headers[.retryAfter] ?? "1"
        default: break
        }
        var response = try Response.json(
            problem, status: .init(code: problem.status), headers: headers, contentType: "application/problem+json")
        // An answer to HEAD has no body (RFC 9110 §9.3.2): the client would read it as the start of the next answer.
        if request.method == .head { response.body = ResponseBody() }
        return response
    }
}
