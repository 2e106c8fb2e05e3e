// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes

/// What one route promises, for the OpenAPI document.
struct Operation: Sendable {
    /// A parameter of the query or a header.
    struct Parameter: Hashable, Sendable {
        let name: String
        let place: String
        let schema: JSONValue
        let summary: String

        static func query(_ name: String, _ schema: JSONValue, _ summary: String) -> Parameter {
            Parameter(name: name, place: "query", schema: schema, summary: summary)
        }

        static func header(_ name: String, _ schema: JSONValue, _ summary: String) -> Parameter {
            Parameter(name: name, place: "header", schema: schema, summary: summary)
        }
    }

    /// What a successful answer holds.
    enum Answer: Hashable, Sendable {
        case nothing
        /// One JSON document of a schema.
        case json(JSONValue)
        /// Values of a schema: a JSON array, NDJSON or server-sent events, as `Accept` and `follow` ask for.
        case values(JSONValue)
        /// Bytes of a media type.
        case bytes(String)
    }

    let method: HTTPRequest.Method
    /// As the route has it, `/apps/:name`.
    let path: String
    /// `operationId`.
    let id: String
    let summary: String
    let answer: Answer
    var status = 200
    /// Other statuses of success, such as 200 for a bundle that was there.
    var moreStatuses: [Int] = []
    var parameters: [Parameter] = []
    /// Media types of the body and its schema; nil without a body.
    var body: (types: [String], schema: JSONValue)?
    /// The body may be left out.
    var bodyIsOptional = false
    /// Problems beside those that follow from the rest.
    var problems: Set<Int> = []
    /// Headers of the successful answer.
    var headers: [String: String] = [:]

    init(
        _ method: HTTPRequest.Method, _ path: String, _ id: String, _ summary: String, _ answer: Answer,
        status: Int = 200
    ) {
        self.method = method
        self.path = path
        self.id = id
        self.summary = summary
        self.answer = answer
        self.status = status
    }

    /// Names of what the query may have.
    var queryNames: Set<String> { Set(parameters.filter { $0.place == "query" }.map(\.name)) }

    /// The operation with something changed.
    func with(_ change: (inout Operation) -> Void) -> Operation {
        var copy = self
        change(&copy)
        return copy
    }
}

extension Operation {
    /// `If-Match` and the ETag of the answer.
    func tagged() -> Operation {
        with {
            $0.parameters.append(.ifMatch)
            $0.problems.formUnion([400, 412])
            if status != 204 { $0.headers["ETag"] = "Changes with every change of what the app should be." }
        }
    }

    /// `Idempotency-Key`.
    func onceOnly() -> Operation {
        with {
            $0.parameters.append(
                .header(
                    "Idempotency-Key", Schema.text(1...255, pattern: "^[!-~]+$"),
                    "Makes a repetition safe for 24 hours: the same request with the same key changes nothing and is "
                        + "answered with the present state. The last 1,000 keys are kept."))
            $0.problems.insert(409)
        }
    }

    /// A JSON body.
    func taking(_ schema: JSONValue, types: [String] = ["application/json"], optional: Bool = false) -> Operation {
        with {
            $0.body = (types, schema)
            $0.bodyIsOptional = optional
            $0.problems.formUnion([400, 413, 415])
        }
    }

    /// Parameters of the query.
    func asking(_ parameters: Parameter...) -> Operation {
        with { $0.parameters += parameters }
    }

    /// `limit` and `after`, and the `Link` of the answer.
    func paged(upTo most: Int64, after: JSONValue, _ what: String) -> Operation {
        asking(
            .query("limit", Schema.integer(1...most), "At most so many; without it all."),
            .query("after", after, "Only those behind this one: \(what).")
        ).with { $0.headers["Link"] = "`rel=\"next\"`: the next page, while there is one (RFC 8288)." }
    }

    /// `follow`.
    func followed(_ what: String) -> Operation {
        asking(
            .query(
                "follow", Schema.boolean,
                "Goes on with \(what) until the client leaves; NDJSON, or server-sent "
                    + "events with 'Accept: text/event-stream'.")
        )
        .with { $0.problems.insert(429) }
    }
}

extension Operation.Parameter {
    static let ifMatch = header(
        "If-Match", Schema.text(pattern: "^(\\*|\"[0-9a-z]{1,30}\")$"),
        "Only while the app still has this ETag; else 412."
    )
}
