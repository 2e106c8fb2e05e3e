// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import PaaSModel

/// What every route of the API promises.
enum OperationTable {
    private static let app = Operation.Answer.json(Schema.named("App"))

    /// Apps and commands on them.
    static let apps: [Operation] = [
        Operation(.post, "/apps", "createApp", "Create an app and roll its first release out", app, status: 201)
            .taking(Schema.named("NewApp")).onceOnly()
            .with {
                $0.headers["Location"] = "The new app."
                $0.headers["ETag"] = "Changes with every change of what the app should be."
            },
        Operation(.get, "/apps", "listApps", "All apps by name", .json(Schema.list(Schema.named("App"))))
            .paged(upTo: 1_000, after: Schema.appName, "an app's name"),
        Operation(.get, "/apps/:name", "getApp", "One app", app)
            .with { $0.headers["ETag"] = "Changes with every change of what the app should be." },
        Operation(
            .patch, "/apps/:name", "changeApp", "Change an app: a new release, or another number of instances", app
        )
        .taking(Schema.named("AppPatch"), types: ["application/merge-patch+json", "application/json"])
        .asking(.query("redeploy", Schema.boolean, "Make a new release even when nothing changes.")).tagged()
        .with { $0.problems.insert(409) },
        Operation(
            .delete, "/apps/:name", "destroyApp", "Destroy an app with its data, releases and logs", .nothing,
            status: 204
        ).asking(
            .query(
                "wait", Schema.integer(0...300),
                "Answer only when its agent has removed it, after at most so many seconds.")
        ).tagged().with { $0.problems.formUnion([409, 504]) },
        command("start", "Start a stopped or failed app"),
        command("stop", "Stop an app"),
        command("restart", "Replace every instance"),
        command("scale", "Change the number of instances").taking(
            Schema.body(["instances": Schema.integer(0...Int64(Defaults.maxInstances))], required: ["instances"])),
        command("rollback", "Roll an earlier release out again").taking(
            Schema.body(["release": Schema.orNull(Schema.release)]), optional: true),
    ]

    private static func command(_ verb: String, _ summary: String) -> Operation {
        Operation(.post, "/apps/:name/\(verb)", "\(verb)App", summary, app).tagged().onceOnly()
    }

    /// What belongs to one app.
    static let details: [Operation] = [
        Operation(
            .get, "/apps/:name/releases", "listReleases", "Releases, the newest first", .values(Schema.named("Release"))
        )
        .paged(upTo: 1_000, after: Schema.release, "a release")
        .followed("releases that change").with {
            $0.parameters.append(revision); $0.problems.insert(410)
        },
        Operation(
            .get, "/apps/:name/instances", "listInstances", "Instances by slot, those on their way out included",
            .values([
                "anyOf": [Schema.named("Instance"), Schema.answer(["id": Schema.string, "removed": Schema.boolean])]
            ])
        ).paged(upTo: 1_000, after: Schema.text(1...64, pattern: "^[a-z0-9-]+$"), "an instance's id")
            .followed("instances that change").with {
                $0.parameters.append(revision); $0.problems.insert(410)
            },
        events("/apps/:name/events", "listAppEvents", "What happened to an app"),
        stats("/apps/:name/stats", "readAppStats", "What an app uses now"),
        Operation(.get, "/apps/:name/logs", "readLogs", "Log lines, oldest first", .values(Schema.named("LogLine")))
            .asking(
                .query(
                    "limit", ["anyOf": [Schema.integer(0...10_000), Schema.words(["all"])]],
                    "The newest so many lines, or all; 100 unless told."),
                .query("since", Schema.time, "Not before this time."),
                .query("until", Schema.time, "Not after this time."),
                .query("stream", Schema.words(LogLine.Stream.self), "Only this stream."),
                .query("release", Schema.release, "Only this release."),
                .query(
                    "grep", Schema.text(0...LogRoutes.maxPattern),
                    "Only lines that match this regular expression (PCRE, at most 1,000 bytes)."),
                .query(
                    "after", Schema.text(1...200, pattern: "^[!-~]+$"), "Only lines behind the one with this cursor."),
                .query(
                    "cursors", Schema.boolean,
                    "Each line with its cursor, as the first field; server-sent events have it as their id."),
                .query("bytes", Schema.boolean, "Lines that are not valid UTF-8 with their bytes, in base64.")
            ).followed("new lines"),
        Operation(
            .get, "/apps/:name/env", "readEnvironment", "Variables of the newest release",
            .json(["type": "object", "additionalProperties": Schema.string])),
        Operation(
            .get, "/apps/:name/secrets", "listSecrets",
            "Names of the newest release's secrets; nothing gives their values",
            .json(Schema.list(Schema.answer(["name": Schema.string])))),
        session("exec", "Run a command in a running instance"),
        session("run", "Run a command in a sandbox of its own, as the app would run"),
        Operation(
            .get, "/apps/:name/inspection", "inspectApp", "What is in force for each instance, read from the kernel",
            .json(Schema.named("Inspection"))),
    ]

    private static func session(_ verb: String, _ summary: String) -> Operation {
        Operation(.post, "/apps/:name/\(verb)", "\(verb)InApp", summary, .bytes(SessionRequest.mediaType)).with {
            $0.body = ([SessionRequest.mediaType], ["type": "string", "format": "binary"])
            $0.problems.formUnion([400, 409, 415])
        }
    }

    private static let revision = Operation.Parameter.query(
        "revision", Schema.integer(0...Int64(1) << 50),
        "With follow: only changes after this revision, the id of a server-sent event; 410 when it is too old.")

    private static func events(_ path: String, _ id: String, _ summary: String) -> Operation {
        Operation(.get, path, id, "\(summary), oldest first", .values(Schema.named("Event")))
            .asking(
                .query(
                    "since", Schema.integer(0...Int64(1) << 50),
                    "The oldest after the event of this id; 410 when later ones are no longer kept."),
                .query("before", Schema.integer(0...Int64(1) << 50), "The newest before the event of this id."),
                .query("limit", Schema.integer(0...10_000), "At most so many; 100 unless told.")
            ).followed("new events").with {
                $0.problems.insert(410)
                $0.headers["Link"] =
                    "`rel=\"next\"` after `since`, else `rel=\"prev\"`: the next page, while there may be one."
            }
    }

    private static func stats(_ path: String, _ id: String, _ summary: String) -> Operation {
        Operation(.get, path, id, "\(summary), one value for each node", .values(Schema.named("Stats")))
            .asking(
                .query("interval", Schema.integer(1...3_600), "Seconds between two values."),
                .query("history", Schema.boolean, "With the values of the last minutes that somebody watched."),
                .query(
                    "since", Schema.words(["start"]),
                    "Averages since each run's start, answered at once; without it over the last moments. Not with follow."
                )
            ).followed("new values")
    }

    /// Everything else.
    static let rest: [Operation] = [
        events("/events", "listEvents", "What happened to apps and nodes"),
        stats("/stats", "readStats", "What nodes and instances use now"),
        Operation(
            .get, "/nodes", "listNodes", "Nodes and what they can enforce", .json(Schema.list(Schema.named("Node")))),
        Operation(.put, "/bundles/:digest", "uploadBundle", "Upload a bundle under its SHA-256", .nothing, status: 201)
            .with {
                $0.moreStatuses = [200]
                $0.body = (["application/octet-stream"], ["type": "string", "format": "binary"])
                $0.problems.formUnion([413, 415])
            },
        Operation(.get, "/bundles/:digest", "downloadBundle", "A bundle", .bytes("application/octet-stream")),
        Operation(
            .get, "/tokens", "listTokens", "Tokens by name, without their secrets",
            .json(Schema.list(Schema.named("Token")))),
        Operation(
            .post, "/tokens", "createToken", "Make a token; its secret stands in this answer alone",
            .json(Schema.named("CreatedToken")), status: 201
        )
        .taking(Schema.named("NewToken")).onceOnly()
        .with { $0.headers["Location"] = "The new token." },
        Operation(.get, "/tokens/:name", "getToken", "One token, by name or id", .json(Schema.named("Token"))),
        Operation(.delete, "/tokens/:name", "revokeToken", "Take a token away", .nothing, status: 204),
        Operation(
            .get, "/store", "checkStore", "Examine the store",
            .json(
                Schema.answer([
                    "problems": Schema.list(Schema.string), "revision": Schema.integer(), "sizeBytes": Schema.integer(),
                ]))),
        Operation(
            .get, "/metrics", "readMetrics", "What apps, router and daemons do, for Prometheus", .bytes("text/plain")),
        Operation(.get, "/healthz", "readHealth", "The process answers", .bytes("text/plain")),
        Operation(.get, "/readyz", "readReadiness", "The store answers", .bytes("text/plain")),
        Operation(.get, "/openapi.json", "readOpenAPI", "This document", .json(["type": "object"])),
        Operation(
            .put, "/agent/v1/nodes/:node", "registerNode", "For agents: who a node is and what it can do",
            .json(Schema.named("Node"))
        )
        .taking(["type": "object"]),
        Operation(
            .post, "/agent/v1/nodes/:node/reports", "report",
            "For agents: what happened; idempotent by instance and sequence",
            .json(Schema.answer(["acknowledged": Schema.integer()]))
        )
        .taking([
            "type": "object", "required": ["reports"],
            "properties": ["reports": Schema.list(["type": "object"], upTo: 1_000)],
        ]),
        Operation(
            .get, "/agent/v1/nodes/:node/assignments", "followAssignments",
            "For agents: a snapshot, then changes, for ever", .bytes("application/x-ndjson")
        )
        .asking(
            .query(
                "revision", Schema.integer(0...Int64(1) << 50),
                "Only changes after this revision, when they are kept; else a snapshot.")
        )
        .with { $0.problems.insert(429) },
    ]

    /// All of them.
    static let all = apps + details + rest

    /// What a route promises; nil for one that is not described: pages for people.
    static func operation(of route: APIBuilder.Route) -> Operation? {
        all.first { $0.method == route.method && $0.path == route.path }
    }
}
