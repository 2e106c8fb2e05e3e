// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// Every problem that the control plane answers with, in one place.
extension Problem {
    private static func make(_ slug: String, _ title: String, _ status: Int, _ detail: String) -> Problem {
        Problem(type: "/problems/\(slug)", title: title, status: status, detail: detail)
    }

    // 400
    static func malformed(_ detail: String) -> Problem { make("malformed", "Malformed request", 400, detail) }

    // 401, 403
    static let unauthenticated = make(
        "unauthenticated", "Not authenticated", 401,
        "this address needs 'Authorization: Bearer TOKEN'; the administrator's token is in the file admin.token of "
            + "PAAS_HOME")
    static func forbidden(_ detail: String) -> Problem { make("forbidden", "Not allowed", 403, detail) }

    // 404
    static func appNotFound(_ name: String) -> Problem {
        make("app-not-found", "No such app", 404, "there is no app '\(name.prefix(80))'; 'paas status' lists all")
    }
    static func releaseNotFound(_ name: String, app: AppName) -> Problem {
        make(
            "release-not-found", "No such release", 404,
            "\(app) has no release '\(name.prefix(40))'; 'paas releases \(app)' lists them")
    }
    static func bundleNotFound(_ digest: String) -> Problem {
        make("bundle-not-found", "No such bundle", 404, "there is no bundle \(digest); upload it with PUT first")
    }
    static func nodeNotFound(_ name: String) -> Problem {
        make("node-not-found", "No such node", 404, "node '\(name.prefix(80))' has not registered; PUT it first")
    }
    static func routeNotFound(_ path: String) -> Problem {
        make("route-not-found", "No such resource", 404, "nothing is at '\(path.prefix(200))'")
    }

    // 405
    static func methodNotAllowed(_ method: String, allowed: [String]) -> Problem {
        let list = allowed.joined(separator: ", ")
        return make("method-not-allowed", "Method not allowed", 405, "\(method.prefix(20)) is not one of \(list)")
    }

    // 409
    static func nameTaken(_ name: AppName) -> Problem {
        make(
            "name-taken", "Name taken", 409,
            "an app named '\(name)' exists; PATCH it for a new release, or choose another name")
    }
    static func nothingToRollBackTo(_ name: AppName) -> Problem {
        make("nothing-to-roll-back-to", "No earlier release", 409, "\(name) has no earlier release that was live")
    }
    static let conflict = make(
        "conflict", "Conflict", 409, "the app was changed at the same time; read it again and retry")
    static let idempotentAppGone = make(
        "idempotency-app-gone", "Conflict", 409,
        "the app that this Idempotency-Key created has been destroyed; use a new key")

    // 412
    static let stale = make(
        "stale", "Precondition failed", 412, "the app has changed since the ETag in If-Match; read it again and retry")

    // 413, 415
    static func tooLarge(_ detail: String) -> Problem { make("too-large", "Too large", 413, detail) }
    static func unsupportedMediaType(_ expected: String) -> Problem {
        make(
            "unsupported-media-type", "Unsupported media type", 415, "send 'Content-Type: \(expected)'")
    }

    // 422
    static func invalid(_ error: ValidationError) -> Problem {
        var problem = make("invalid-field", "Invalid field", 422, error.description)
        problem.field = error.field
        return problem
    }
    static let idempotencyKeyReused = make(
        "idempotency-key-reused", "Idempotency key reused", 422,
        "this Idempotency-Key was used with another body; use a new key for a new request")

    // 429
    static let tooManyStreams = make(
        "too-many-streams", "Too many requests", 429, "too many open streams; close one, or try again later")

    // 500, 503
    static let internalError = make(
        "internal", "Internal error", 500, "the control plane failed; its log says why under this request's id")
    static func store(_ error: StoreError) -> Problem { make("store", "Store failed", 503, error.description) }
    static func agentUnreachable(_ node: String, _ reason: String) -> Problem {
        make(
            "agent-unreachable", "Agent unreachable", 503,
            "the agent of node '\(node)' does not answer (\(reason)); is it running?")
    }
    static let stopping = make(
        "stopping", "Stopping", 503, "the control plane is stopping; try again when it is back")

    // 504
    static func removalUnconfirmed(_ limit: String) -> Problem {
        make(
            "removal-unconfirmed", "Not confirmed yet", 504,
            "the app is destroyed, but its agent has not confirmed the removal within \(limit); it goes on")
    }
}
