// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSModel
internal import ProgramSupport

/// The options of `paas deploy` for ``LifecycleRules``; `paas.toml` has the same names.
struct LifecycleOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Exit codes that count as success. Default: 0.", valueName: "codes"))
    var successExitCodes: String?

    @Option(help: ArgumentHelp("Exit codes after which it is not started again.", valueName: "codes"))
    var noRestartExitCodes: String?

    @Option(help: ArgumentHelp("Time to become ready. Default: 60s.", valueName: "time"))
    var startTimeout: String?

    @Option(help: ArgumentHelp("First pause before a restart; it doubles. Default: 1s.", valueName: "time"))
    var backoff: String?

    @Option(help: ArgumentHelp("Longest pause before a restart. Default: 60s.", valueName: "time"))
    var backoffMax: String?

    @Option(help: ArgumentHelp("Time up after which the pauses begin anew. Default: 60s.", valueName: "time"))
    var healthyAfter: String?

    @Option(help: ArgumentHelp("Time for open requests before it is stopped. Default: 30s.", valueName: "time"))
    var drain: String?

    @Option(help: ArgumentHelp("Time between two health checks. Default: 10s.", valueName: "time"))
    var healthInterval: String?

    @Option(help: ArgumentHelp("Time that a health check may take. Default: 5s.", valueName: "time"))
    var healthTimeout: String?

    @Option(help: ArgumentHelp("Failed health checks in a row before it is restarted. Default: 3.", valueName: "count"))
    var healthFailures: String?

    @Option(help: ArgumentHelp("Size of the log, beyond which the oldest lines go. Default: 100M.", valueName: "size"))
    var logSize: String?

    @Option(help: ArgumentHelp("Age after which a line of the log goes. Default: never.", valueName: "time"))
    var logKeep: String?

    @Option(
        help: ArgumentHelp(
            "What happens when it prints too fast: block, it waits; drop, lines are dropped and counted. Default: block.",
            valueName: "policy"))
    var logFlood: String?

    @Option(
        help: ArgumentHelp(
            "Bytes a second that it may print. Default: what the node can store; 4M with --log-flood drop.",
            valueName: "size"))
    var logRate: String?

    @Option(
        help: ArgumentHelp(
            "How the full parts of the log are stored: none, as they are; zstd, compressed. Default: none.",
            valueName: "form"))
    var logCompression: String?

    @Option(
        help: ArgumentHelp(
            "Where its lines are sent to as well: syslog+tcp://HOST:PORT, syslog+udp://HOST:PORT, syslog+unix:///PATH, a URL of "
                + "http, or none. Default: the node's.", valueName: "address"))
    var logDrain: String?

    private var texts: [String: String?] {
        [
            "success-exit-codes": successExitCodes, "no-restart-exit-codes": noRestartExitCodes,
            "start-timeout": startTimeout, "backoff": backoff, "backoff-max": backoffMax,
            "healthy-after": healthyAfter, "drain": drain, "health-interval": healthInterval,
            "health-timeout": healthTimeout, "health-failures": healthFailures,
            "log-size": logSize, "log-keep": logKeep, "log-flood": logFlood, "log-rate": logRate,
            "log-compression": logCompression, "log-drain": logDrain,
        ]
    }

    /// The rules that are given.
    ///
    /// - Throws: a usage error that names the option.
    func rules() throws -> LifecycleRules {
        var rules = LifecycleRules()
        for field in LifecycleRules.fields {
            guard let text = texts[field.option] ?? nil else { continue }
            do {
                field.set(try field.parse(text), in: &rules)
                try rules.validate()
            } catch let error as PaaSModel.ValidationError {
                throw CommandFailure(.usage, "--\(field.option) \(error.message)")
            }
        }
        return rules
    }
}
