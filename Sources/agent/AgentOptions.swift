// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import Glibc
import Logging
import PaaSClient
import PaaSModel
import ProgramSupport

/// The agent's own options; each is also a variable `PAAS_…` and a key of the configuration file.
struct AgentOptions: ParsableArguments {
    static let configurationKeys: Set<String> = [
        "api", "token", "router", "node", "port-range", "cgroup-root", "init-path", "allow-sandbox-off",
    ]

    @Option(
        help: ArgumentHelp(
            "The control plane: http://HOST:PORT or unix:PATH. Default: paasd's socket in the home.", valueName: "url"))
    var api: String?

    @Option(help: ArgumentHelp("Token for a control plane that is reached over TCP.", valueName: "token"))
    var token: String?

    @Option(help: ArgumentHelp("Where the router listens. Default: \(Defaults.routerListen).", valueName: "host:port"))
    var router: String?

    @Option(help: ArgumentHelp("Name of this node. Default: the host name.", valueName: "name"))
    var node: String?

    @Option(
        help: ArgumentHelp(
            "TCP ports for apps. Default: \(Defaults.portRange.lowerBound)-\(Defaults.portRange.upperBound).",
            valueName: "a-b"))
    var portRange: String?

    @Option(
        help: ArgumentHelp("Directory of a cgroup v2 below which apps run. Default: discovered.", valueName: "path"))
    var cgroupRoot: String?

    @Option(help: ArgumentHelp("The paas-init program. Default: beside this program.", valueName: "path"))
    var initPath: String?

    @Option(
        help: ArgumentHelp("Allow apps that ask for --sandbox off: true or false. Default: false.", valueName: "bool"))
    var allowSandboxOff: String?
}

/// The agent's settings after flags, environment and file are joined.
struct AgentSettings: Sendable {
    var home: PaaSHome
    var logLevel: LogSettings
    var endpoint: APIEndpoint
    var token: String?
    var router: HostPort
    var node: String
    var portRange: ClosedRange<UInt16>
    var cgroupRoot: String?
    var initPath: String
    var allowSandboxOff: Bool
    private let reload: @Sendable () throws -> LogSettings

    static func resolve(_ common: CommonOptions, _ options: AgentOptions) throws -> AgentSettings {
        do {
            return try AgentSettings(common, options)
        } catch let error as ConfigurationError {
            StandardError.write("agent: \(error)")
            throw ExitStatus.usage.exitCode
        }
    }

    private init(_ common: CommonOptions, _ options: AgentOptions) throws {
        let settings = try common.settings(keys: AgentOptions.configurationKeys)
        home = try common.resolveHome(settings)
        reload = {
            let settings = try common.settings(keys: AgentOptions.configurationKeys)
            return LogSettings(
                level: try common.resolveLogLevel(settings), format: try common.resolveLogFormat(settings))
        }
        logLevel = try reload()
        let socket = home.apiSocket
        endpoint =
            try settings.value("api", flag: options.api) { text, source in
                do { return try APIEndpoint(validating: text) } catch {
                    throw PaaSModel.ValidationError(field: source, message: "\(error)")
                }
            } ?? .unix(path: socket)
        token = try settings.text("token", flag: options.token)
        router =
            try settings.value("router", flag: options.router) { try HostPort(validating: $0, field: $1) }
            ?? HostPort(validating: Defaults.routerListen, field: "router")
        node =
            try settings.value("node", flag: options.node) { text, source in
                try Self.checkNode(text, source)
                return text
            } ?? Self.hostName
        portRange =
            try settings.value("port-range", flag: options.portRange, parse: Self.parseRange) ?? Defaults.portRange
        cgroupRoot = try settings.text("cgroup-root", flag: options.cgroupRoot)
        initPath = try settings.text("init-path", flag: options.initPath) ?? Self.defaultInitPath
        allowSandboxOff =
            try settings.value("allow-sandbox-off", flag: options.allowSandboxOff) { text, source in
                guard let value = Bool(text) else {
                    throw PaaSModel.ValidationError(field: source, message: "'\(text)' is not true or false")
                }
                return value
            } ?? false
    }

    func bootstrapLogging() {
        LogBootstrap.bootstrap(level: logLevel.level, format: logLevel.format)
    }

    /// Reads the settings that may change while the agent runs: the log level.
    func reloadLogLevel() throws {
        LogBootstrap.level = try reload().level
    }

    private static func checkNode(_ text: String, _ source: String) throws {
        let allowed = text.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D
                || $0 == 0x2E
        }
        guard allowed, (1...253).contains(text.utf8.count) else {
            throw PaaSModel.ValidationError(
                field: source, message: "'\(text.prefix(80))' is not a node name; use letters, digits, '-' and '.'")
        }
    }

    private static func parseRange(_ text: String, _ source: String) throws -> ClosedRange<UInt16> {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let low = UInt16(parts[0]), let high = UInt16(parts[1]), low >= 1024, low <= high else {
            throw PaaSModel.ValidationError(
                field: source, message: "'\(text.prefix(40))' is not a range of ports from 1024 up, such as 20000-29999"
            )
        }
        return low...high
    }

    private static var hostName: String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, 255) == 0 else { return "node" }
        let name = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return name.isEmpty ? "node" : name
    }

    private static var defaultInitPath: String {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "/usr/bin/agent"
        return own.prefix(upTo: own.lastIndex(of: "/") ?? own.startIndex) + "/paas-init"
    }
}

/// How the agent logs.
struct LogSettings: Sendable {
    var level: Logger.Level
    var format: LogFormat
}
