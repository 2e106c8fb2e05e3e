// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// Schemas of apps and what belongs to them.
enum Schemas {
    static let command: JSONValue = [
        "description": "A string is given to /bin/sh -c, a list is executed as it is.",
        "oneOf": [
            Schema.text(1...65_000, pattern: "^[^\\u0000]*[!-~][^\\u0000]*$"),
            Schema.list(Schema.text(1...4_096, pattern: "^[^\\u0000]+$"), upTo: 15).adding(["minItems": 1]),
        ],
    ]

    /// A shown command may have been given in any form.
    private static let shownCommand: JSONValue = ["oneOf": [Schema.string, Schema.list(Schema.string)]]

    static let environment: JSONValue = [
        "type": "object",
        "description": "At most 128 KiB in all; names that the platform sets are refused.",
        "propertyNames": Schema.text(1...256, pattern: "^[A-Za-z_][A-Za-z0-9_]*$").adding([
            "not": ["enum": .array(ReleaseSpec.reservedEnvironment.sorted().map(JSONValue.string))]
        ]),
        "additionalProperties": Schema.text(0...65_536, pattern: "^[^\\u0000]*$"),
    ]

    /// - Parameter null: a patch may take a limit away.
    static func limits(null: Bool) -> JSONValue {
        var properties: [String: JSONValue] = [:]
        for field in Limits.fields {
            let schema =
                field.unit == .cores
                ? Schema.number(field.bounds)
                : Schema.integer(Int64(field.bounds.lowerBound)...Int64(field.bounds.upperBound))
            properties[field.name] = (null ? Schema.orNull(schema) : schema).adding(named(field.option))
        }
        return Schema.body(properties).adding([
            "description": "memoryHighBytes is at most memoryBytes; cpuBurst needs cpu and is at most that."
        ])
    }

    static func lifecycle(null: Bool) -> JSONValue {
        var properties: [String: JSONValue] = [:]
        for field in LifecycleRules.fields {
            let schema =
                switch field.kind {
                case .codes: Schema.list(Schema.integer(0...255), upTo: 256)
                case .seconds(let range): Schema.number(range)
                case .count(let range): Schema.integer(Int64(range.lowerBound)...Int64(range.upperBound))
                case .bytes(let range): Schema.integer(range)
                case .word(let words): Schema.words(words)
                case .drain:
                    Schema.text(
                        pattern: "^(none|https?://[!-~]{1,900}|syslog\\+(tcp|udp)://[a-z0-9.]{1,100}:[1-9][0-9]{0,3}"
                            + "|syslog\\+unix:///[a-z/]{1,90})$")
                }
            properties[field.name] = (null ? Schema.orNull(schema) : schema).adding(named(field.option))
        }
        return Schema.body(properties)
    }

    /// What `paas deploy` and `paas.toml` call a field, for docs/settings.md.
    private static func named(_ option: String) -> [String: JSONValue] { ["x-option": .string(option)] }

    /// The fields that a new app and a patch have in common; null stands for the default.
    private static let appFields: [String: JSONValue] = [
        "command": command,
        "env": Schema.orNull(
            environment.adding([
                "additionalProperties": Schema.orNull(Schema.text(0...65_536, pattern: "^[^\\u0000]*$"))
            ])),
        "limits": Schema.orNull(limits(null: true)),
        "lifecycle": Schema.orNull(lifecycle(null: true)),
        "instances": Schema.orNull(Schema.integer(0...Int64(Defaults.maxInstances))),
        "healthPath": Schema.orNull(Schema.text(1...1_024, pattern: "^/[!-~]*$")),
        "restart": Schema.orNull(Schema.words(RestartPolicy.self)),
        "network": Schema.orNull(Schema.words(NetworkMode.self)),
        "sandbox": Schema.orNull(Schema.words(SandboxProfile.self)),
        "bundle": Schema.orNull(Schema.sha256),
        "stopSignal": Schema.orNull(Schema.words(StopSignal.self)),
        "stopGraceSeconds": Schema.orNull(Schema.number(0...3_600)),
    ]

    static let newApp = Schema.body(
        appFields.merging(["name": Schema.appName]) { own, _ in own }, required: ["name", "command"])

    /// RFC 7396: what is left out stays, null takes back to the default.
    static let appPatch = Schema.body(appFields)

    static let exit = Schema.answer([
        "code": Schema.orNull(Schema.integer()), "signal": Schema.orNull(Schema.string),
        "coreDumped": Schema.boolean, "oomKilled": Schema.boolean, "startFailure": Schema.orNull(Schema.string),
        "requested": Schema.boolean, "at": Schema.time, "uptimeMs": Schema.integer(), "cpuMs": Schema.integer(),
        "peakMemoryBytes": Schema.orNull(Schema.integer()), "memoryLimitBytes": Schema.orNull(Schema.integer()),
        "memoryLimitReachedAt": Schema.orNull(Schema.time), "pidsPeak": Schema.orNull(Schema.integer()),
        "throttledMs": Schema.orNull(Schema.integer()), "pressure": Schema.orNull(["type": "object"]),
        "hang": Schema.orNull(["type": "object"]), "reason": Schema.string, "lastLines": Schema.list(Schema.string),
    ])

    static let rollout = Schema.answer(
        [
            "id": Schema.integer(), "kind": Schema.words(["deploy", "restart", "start", "scale", "rollback"]),
            "release": Schema.release, "phase": Schema.words(["progressing", "succeeded", "failed"]),
            "startedAt": Schema.time,
        ], optional: ["message": Schema.string])

    static let app = Schema.answer([
        "id": Schema.string, "name": Schema.appName, "command": shownCommand, "status": Schema.words(AppStatus.self),
        "reason": Schema.orNull(Schema.string), "crashLooping": Schema.boolean,
        "port": Schema.orNull(Schema.integer()), "pid": Schema.orNull(Schema.integer()),
        "restarts": Schema.integer(), "instances": Schema.integer(), "instancesReady": Schema.integer(),
        "release": Schema.release, "limits": limits(null: false), "startedAt": Schema.orNull(Schema.time),
        "lastExit": Schema.orNull(Schema.named("Exit")), "rollout": Schema.orNull(Schema.named("Rollout")),
        "desired": Schema.words(DesiredState.self), "healthPath": Schema.orNull(Schema.string),
        "restart": Schema.words(RestartPolicy.self), "network": Schema.orNull(Schema.words(NetworkMode.self)),
        "sandbox": Schema.words(SandboxProfile.self), "urls": Schema.list(Schema.string),
        "createdAt": Schema.time, "updatedAt": Schema.time,
    ])

    static let release = Schema.answer(
        [
            "name": Schema.release, "status": Schema.words(["deploying", "live", "superseded", "failed"]),
            "command": shownCommand, "limits": limits(null: false), "createdAt": Schema.time,
        ], optional: ["bundle": Schema.sha256, "reason": Schema.string])

    static let instanceStatus = Schema.answer(
        [
            "instanceID": Schema.string, "state": Schema.words(InstanceState.self), "since": Schema.time,
            "restarts": Schema.integer(), "crashLooping": Schema.boolean,
        ],
        optional: [
            "port": Schema.integer(), "pid": Schema.integer(), "startedAt": Schema.time, "reason": Schema.string,
            "lastExit": Schema.named("Exit"), "release": Schema.release,
            "refusal": Schema.answer(["release": Schema.release, "reason": Schema.string]),
        ])

    static let instance = Schema.answer([
        "id": Schema.string, "name": Schema.text(pattern: "^web\\.[0-9]+$"), "release": Schema.release,
        "node": Schema.string, "desired": Schema.words(DesiredState.self), "status": Schema.named("InstanceStatus"),
    ])

    static let inspection = Schema.answer([
        "app": Schema.named("App"),
        "instances": Schema.list(
            Schema.answer(
                [
                    "id": Schema.string, "name": Schema.string, "release": Schema.release,
                    "state": Schema.words(InstanceState.self), "sandbox": Schema.words(SandboxProfile.self),
                    "cgroupLimits": ["type": "object"], "resourceLimits": ["type": "object"],
                    "layers": Schema.list(Schema.named("SandboxLayer")),
                ], optional: ["disk": disk, "blockedCalls": Schema.list(Schema.named("BlockedCall"))])),
    ])

    private static let disk = Schema.answer(
        ["sizeBytes": Schema.integer(), "allocatedBytes": Schema.integer()],
        optional: ["usedBytes": Schema.integer(), "freeBytes": Schema.integer()]
    ).adding(["description": "The file system at /data of an app with --disk."])
}
