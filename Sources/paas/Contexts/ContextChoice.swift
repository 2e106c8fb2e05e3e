// SPDX-License-Identifier: Apache-2.0

internal import ProgramSupport

/// Which control plane a command talks to: a flag wins over the environment, that over the configuration file, that over the
/// current context, that over the default of the home.
struct ContextChoice: Hashable {
    /// Where the decision came from.
    enum Origin: Hashable {
        case flag(String)
        case variable(String)
        case configurationFile
        case currentContext
        case home

        /// For people.
        var text: String {
            switch self {
            case .flag(let name): "the flag \(name)"
            case .variable(let name): "the variable \(name)"
            case .configurationFile: "the configuration file"
            case .currentContext: "'paas context use'"
            case .home: "the default"
            }
        }
    }

    /// What a command line says.
    struct Flags: Hashable {
        var url: String?
        var token: String?
        var context: String?
        var home: String?
    }

    /// The context's name; nil when the URL was given, or the home decides.
    var name: String?
    /// The URL; nil lets the home decide.
    var url: String?
    /// The token. That of a context never goes to another URL.
    var token: String?
    var origin: Origin

    /// Decides.
    ///
    /// - Throws: `CommandFailure` for a context that there is not, or for two that contradict each other.
    init(_ flags: Flags, _ settings: Settings, _ file: @autoclosure () throws -> ContextFile) throws {
        if flags.url != nil, flags.context != nil {
            throw CommandFailure(.usage, "--url and --context both name a control plane", hint: "give one of them")
        }
        token = try settings.text("token", flag: flags.token)
        func variable(_ name: String) -> String? { settings.environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        if let given = flags.url {
            (url, origin) = (given, .flag("--url"))
        } else if let given = flags.context {
            origin = .flag("--context")
            try take(given, try file())
        } else if flags.home != nil {
            origin = .flag("--home")
        } else if let given = variable("PAAS_URL") {
            (url, origin) = (given, .variable("PAAS_URL"))
        } else if let given = variable("PAAS_CONTEXT") {
            origin = .variable("PAAS_CONTEXT")
            try take(given, try file())
        } else if variable("PAAS_HOME") != nil {
            origin = .variable("PAAS_HOME")
        } else if let given = try settings.text("url", flag: nil) {
            (url, origin) = (given, .configurationFile)
        } else if let given = try settings.text("context", flag: nil) {
            origin = .configurationFile
            try take(given, try file())
        } else if let given = try file().current {
            origin = .currentContext
            try take(given, try file())
        } else {
            origin = .home
        }
    }

    private mutating func take(_ given: String, _ file: ContextFile) throws {
        guard let context = file.contexts[given] else {
            throw CommandFailure(
                .usage, "there is no context '\(given.prefix(80))' (named by \(origin.text))",
                hint: file.contexts.isEmpty
                    ? "add it: paas context add \(given.prefix(80)) --url URL"
                    : "there are \(file.contexts.keys.sorted().joined(separator: ", "))")
        }
        name = given
        url = context.url
        token = token ?? context.token
    }
}
