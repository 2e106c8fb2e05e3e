// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// Schemas of nodes, events, logs, statistics and tokens, and the whole table.
extension Schemas {
    static let problem = Schema.answer(
        [
            "type": Schema.text(pattern: "^/problems/[a-z-]+$"), "title": Schema.string,
            "status": Schema.integer(400...599), "detail": Schema.string,
        ], optional: ["field": Schema.string]
    ).adding(["description": "RFC 9457. `field` names the offending one, with dots for nesting."])

    static let event = Schema.answer(
        ["id": Schema.integer(), "time": Schema.time, "kind": Schema.words(Event.Kind.self), "message": Schema.string],
        optional: [
            "app": Schema.string, "instance": Schema.string, "release": Schema.string,
            "by": Schema.string.adding(["description": "Who asked for it; absent for what happened by itself."]),
            "blocked": Schema.named("BlockedCall").adding([
                "description": "Of kind blocked: how often since the last event about this call."
            ]),
        ])

    static let blockedCall = Schema.answer([
        "call": Schema.string.adding([
            "description": "Name of the system call; its number when the node has no name for it."
        ]),
        "count": Schema.integer(),
    ])

    static let layer = Schema.answer(
        ["name": Schema.string, "enforced": Schema.boolean],
        optional: ["detail": Schema.string, "remedy": Schema.string])

    static let node = Schema.answer(
        [
            "name": Schema.string, "connected": Schema.boolean, "agentAddress": Schema.string,
            "routerAddress": Schema.string, "version": Schema.string,
            "capabilities": Schema.answer(
                [
                    "cgroupMode": Schema.string, "cgroupRoot": Schema.string,
                    "controllers": Schema.list(Schema.string), "kernel": Schema.string,
                    "networks": Schema.list(Schema.words(NetworkMode.self)),
                    "layers": Schema.list(Schema.named("SandboxLayer")),
                ],
                optional: [
                    "limits": Schema.list(
                        Schema.answer(
                            ["name": Schema.string, "enforced": Schema.boolean], optional: ["detail": Schema.string])),
                    "appsMemoryBytes": Schema.integer(), "appsProcesses": Schema.integer(),
                ]),
        ], optional: ["registeredAt": Schema.time])

    static let logLine = Schema.answer(
        [
            "time": Schema.time, "stream": Schema.words(LogLine.Stream.self), "instance": Schema.string,
            "release": Schema.string, "text": Schema.string,
        ], optional: ["partial": Schema.boolean])

    static let stats = Schema.answer([
        "time": Schema.time, "intervalSeconds": Schema.number(), "node": ["type": "object"],
        "instances": Schema.list(["type": "object"]),
    ]).adding(["description": "Every field is explained in docs/statistics.md."])

    static let scope = Schema.text(pattern: "^(admin|read|deploy:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$")

    static let token = Schema.answer(
        ["id": Schema.string, "name": Schema.appName, "scope": scope, "createdAt": Schema.time],
        optional: ["expiresAt": Schema.time])

    static let newToken = Schema.body(
        [
            "name": Schema.appName, "scope": scope,
            "expiresInSeconds": Schema.orNull(Schema.integer(1...TokenRequest.maxLifeSeconds)),
        ], required: ["name", "scope"])

    static let createdToken = Schema.answer(["token": Schema.named("Token"), "secret": Schema.string])

    /// `components/schemas`.
    static let all: [String: JSONValue] = [
        "App": app, "AppPatch": appPatch, "BlockedCall": blockedCall, "CreatedToken": createdToken, "Event": event,
        "Exit": exit,
        "Inspection": inspection, "Instance": instance, "InstanceStatus": instanceStatus, "LogLine": logLine,
        "NewApp": newApp, "NewToken": newToken, "Node": node, "Problem": problem, "Release": release,
        "Rollout": rollout, "SandboxLayer": layer, "Stats": stats, "Token": token,
    ]
}
