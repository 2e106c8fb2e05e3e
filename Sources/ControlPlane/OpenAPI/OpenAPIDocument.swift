// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import PaaSModel

/// `/openapi.json`: made from the routes and the table of what they promise.
enum OpenAPIDocument {
    /// The route of the document itself: for everybody, because it says nothing that the source does not.
    static let ownRoute = APIBuilder.Route(method: .get, path: "/openapi.json", access: .everybody) { _, _ in
        throw Problem.internalError
    }

    /// - Parameter routes: every route; those that the table does not know are left out: pages for people.
    static func make(_ routes: [APIBuilder.Route]) -> JSONValue {
        var paths: [String: JSONValue] = [:]
        for route in routes {
            guard let operation = OperationTable.operation(of: route) else { continue }
            let path = templated(route.path)
            let own: [String: JSONValue] = [route.method.rawValue.lowercased(): item(operation, route.access)]
            paths[path] = (paths[path] ?? ["parameters": .array(pathParameters(route.path))]).adding(own)
        }
        return [
            "openapi": "3.1.0",
            "info": [
                "title": "Mini PaaS", "version": .string(ProductVersion.current),
                "description":
                    "Errors are RFC 9457 problems. Over TCP a bearer token is needed; the Unix socket knows its peer.",
                "license": ["name": "Apache 2.0", "identifier": "Apache-2.0"],
            ],
            "servers": [["url": "/"]],
            "security": [["token": []]],
            "paths": .object(paths),
            "components": [
                "schemas": .object(Schemas.all),
                "securitySchemes": ["token": ["type": "http", "scheme": "bearer"]],
            ],
        ]
    }

    /// `/apps/:name` → `/apps/{name}`.
    private static func templated(_ path: String) -> String {
        path.split(separator: "/", omittingEmptySubsequences: false)
            .map { $0.hasPrefix(":") ? "{\($0.dropFirst())}" : String($0) }.joined(separator: "/")
    }

    private static func pathParameters(_ path: String) -> [JSONValue] {
        path.split(separator: "/").filter { $0.hasPrefix(":") }.map { part in
            let name = String(part.dropFirst())
            let schema =
                switch name {
                case "digest": Schema.sha256
                case "node": Schema.text(1...253, pattern: "^[A-Za-z0-9_][A-Za-z0-9._-]*$")
                default: Schema.text(1...63, pattern: "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
                }
            return [
                "name": .string(name), "in": "path", "required": true, "schema": schema,
                "description": .string(name == "name" ? "Name or id." : name == "digest" ? "SHA-256." : "Node."),
            ]
        }
    }

    private static func item(_ operation: Operation, _ access: RouteAccess) -> JSONValue {
        var item: [String: JSONValue] = [
            "operationId": .string(operation.id), "summary": .string(operation.summary),
            "responses": .object(responses(operation, access)),
        ]
        if !operation.parameters.isEmpty {
            item["parameters"] = .array(
                operation.parameters.map {
                    [
                        "name": .string($0.name), "in": .string($0.place), "schema": $0.schema,
                        "description": .string($0.summary),
                    ]
                })
        }
        if let body = operation.body {
            item["requestBody"] = [
                "required": .boolean(!operation.bodyIsOptional),
                "content": .object(Dictionary(uniqueKeysWithValues: body.types.map { ($0, ["schema": body.schema]) })),
            ]
        }
        if access == .everybody { item["security"] = [] }
        return .object(item)
    }

    private static func responses(_ operation: Operation, _ access: RouteAccess) -> [String: JSONValue] {
        var problems = operation.problems
        // 422 for an invalid field, and for a query that has anything else.
        if access != .everybody { problems.formUnion([401, 403, 422, 429]) }
        if operation.path.contains(":") { problems.insert(404) }
        problems.insert(503)
        var result: [String: JSONValue] = [:]
        for status in problems {
            result[String(status)] = [
                "description": .string(reasons[status] ?? "Problem"),
                "content": ["application/problem+json": ["schema": Schema.named("Problem")]],
            ]
        }
        for status in [operation.status] + operation.moreStatuses {
            result[String(status)] = success(operation)
        }
        return result
    }

    private static func success(_ operation: Operation) -> JSONValue {
        var answer: [String: JSONValue] = ["description": .string(operation.summary)]
        if !operation.headers.isEmpty {
            answer["headers"] = .object(
                operation.headers.mapValues { ["schema": Schema.string, "description": .string($0)] })
        }
        let text: JSONValue = ["schema": Schema.string]
        switch operation.answer {
        case .nothing: break
        case .json(let schema): answer["content"] = ["application/json": ["schema": schema]]
        case .values(let schema):
            answer["content"] = [
                "application/json": ["schema": Schema.list(schema)], "application/x-ndjson": text,
                "text/event-stream": text,
            ]
        case .bytes(let type): answer["content"] = .object([type: text])
        }
        return .object(answer)
    }

    private static let reasons = [
        400: "Malformed", 401: "Not authenticated", 403: "Not allowed", 404: "No such thing",
        409: "Conflict with what there is", 410: "No longer kept: read the present state and go on from there",
        412: "Changed since that ETag", 413: "Too large", 415: "Unsupported media type",
        422: "Invalid field, which is named", 429: "Too many requests: wait for Retry-After seconds",
        503: "The store or an agent does not answer", 504: "Not confirmed in time; it goes on",
    ]
}
