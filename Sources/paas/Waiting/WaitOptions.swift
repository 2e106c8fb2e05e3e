// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSModel
internal import ProgramSupport

/// Options of the commands that change an app and wait until it is so.
struct WaitOptions: ParsableArguments {
    /// Longer than the platform's own limit for a rollout, whose verdict says more than "it takes too long".
    static let defaultTimeout = Defaults.deployTimeout + .seconds(5)

    @Flag(help: "Return as soon as the change is accepted.")
    var noWait = false

    @Option(
        help: ArgumentHelp(
            "How long to wait, such as 90s or 5m. Default: a little over the platform's own 60s.",
            valueName: "duration"),
        transform: OptionText.duration)
    var waitTimeout: Duration?

    @Flag(help: "Print the app as JSON.")
    var json = false
}
