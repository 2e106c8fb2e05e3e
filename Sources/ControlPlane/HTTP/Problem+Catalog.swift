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
    static let wrongToken = make(
        "wrong-token", "Not authenticated", 401,
        "the token is wrong, or was revoked; 'paas token create' makes one, and the administrator's is in the file "
            + "admin.token of PAAS_HOME")
    static func expiredToken(_ name: String, at time: Timestamp) -> Problem {
        make(
            "expired-token", "Not authenticated", 401,
            "the token '\(name)' expired at \(time); 'paas token create' makes another one")
    }
    static func forbidden(_ detail: String) -> Problem { make("forbidden", "Not allowed", 403, detail) }

    static func scopeExceeded(_ scope: TokenScope) -> Problem {
        make(
            "scope-exceeded", "Not allowed", 403,
            "a token with the scope '\(scope)' does not open this; ask an administrator for another one")
    }

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
    static func tokenNotFound(_ name: String) -> Problem {
        make(
            "token-not-found", "No such token", 404,
            "there is no token '\(name.prefix(80))'; 'paas token list' lists all")
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
    static func tokenNameTaken(_ name: String) -> Problem {
        make(
            "token-name-taken", "Name taken", 409, "a token named '\(name)' exists; revoke it, or choose another name")
    }
    static let tooManyTokens = make(
        "too-many-tokens", "Too many tokens", 409,
        "there are \(TokenRecord.limit) tokens; revoke some that nobody needs any more")
    static func notRunning(_ name: AppName, instance: String?) -> Problem {
        make(
            "not-running", "Not running", 409,
            "\(name) has no \(instance.map { "instance '\($0.prefix(40))' that" } ?? "instance that") runs; "
                + "'paas status \(name)' shows what there is, and 'paas run' needs none")
    }
    static func noNode(_ name: AppName) -> Problem {
        make("no-node", "No node", 409, "no node has \(name) yet; start an agent, or wait for its first deploy")
    }
    static let conflict = make(
        "conflict", "Conflict", 409, "the app was changed at the same time; read it again and retry")
    static func secretWasShown(_ name: String) -> Problem {
        make(
            "secret-was-shown", "Already done", 409,
            "this Idempotency-Key has made a token, and its secret was in that answer; revoke '\(name)' and make "
                + "another one with a new key")
    }
    static let idempotentAppGone = make(
        "idempotency-app-gone", "Conflict", 409,
        "the app that this Idempotency-Key created has been destroyed; use a new key")

    static func bundleMissing(_ digest: String) -> Problem {
        var problem = make(
            "bundle-missing", "Bundle missing", 409, "\(digest) was not uploaded; PUT /bundles/\(digest) first")
        problem.field = "bundle"
        return problem
    }

    // 410
    static func historyGone(_ revision: Int64) -> Problem {
        make(
            "gone", "No longer kept", 410,
            "what happened up to \(revision) is no longer kept, or never was; read the present state and go on from "
                + "there")
    }
    static let cursorGone = make(
        "gone", "No longer there", 410, "what 'after' names is no longer there; read the list from its beginning")

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
        "idempotency-key-reused", "Idempotency key reused", 409,
        "this Idempotency-Key was used for another request; use a new key for a new request")

    // 429
    static let tooManyStreams = make(
        "too-many-streams", "Too many requests", 429, "too many open streams; close one, or try again later")

    static let tooManyFailures = make(
        "too-many-failures", "Too many requests", 429,
        "too many wrong tokens came from this address; try again after the seconds in Retry-After")

    // 500, 503
    static let internalError = make(
        "internal", "Internal error", 500, "the control plane failed; its log says why under this request's id")
    static func store(_ error: StoreError) -> Problem { make("store", "Store failed", 503, error.description) }
    static func agentUnreachable(_ node: String, _ reason: String) -> Problem {
        make(
            "agent-unreachable", "Agent unreachable", 503,
            "the agent of node '\(node)' does not answer (\(reason)); is it running?")
    }
    static let tooManyBodies = make(
        "too-many-bodies", "Too many bodies", 503,
        "requests with bodies are using all the memory that there is for them; try again when they are answered")
    static let stopping = make(
        "stopping", "Stopping", 503, "the control plane is stopping; try again when it is back")

    // 504
    static func removalUnconfirmed(_ limit: String) -> Problem {
        make(
            "removal-unconfirmed", "Not confirmed yet", 504,
            "the app is destroyed, but its agent has not confirmed the removal within \(limit); it goes on")
    }
}
