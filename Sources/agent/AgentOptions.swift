// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Cgroups
import FoundationEssentials
import Glibc
import Logging
import PaaSClient
import PaaSModel
import ProgramSupport
import Router
import Sandbox

/// The agent's own options; each is also a variable `PAAS_…` and a key of the configuration file.
struct AgentOptions: ParsableArguments {
    static let configurationKeys: Set<String> = Set(
        LifecycleRules.fields.map { "default.\($0.option)" } + RouterSetting.all.map { "router-limit.\($0.name)" }
    ).union([
        "api", "token", "ca-certificate", "router", "router-tls", "router-certificate", "router-key", "node",
        "port-range", "cgroup-root", "reserve-memory", "reserve-processes",
        "init-path", "allow-sandbox-off",
        "minimum-sandbox", "log-total", "standbys",
    ])

    @Option(
        help: ArgumentHelp(
            "The control plane: http://HOST:PORT, https://HOST:PORT or unix:PATH. Default: paasd's socket in the home.",
            valueName: "url"))
    var api: String?

    @Option(help: ArgumentHelp("Token for a control plane that is reached over TCP.", valueName: "token"))
    var token: String?

    @Option(
        help: ArgumentHelp(
            "PEM file of the authority that an https control plane is checked against. Default: the system's.",
            valueName: "file"))
    var caCertificate: String?

    @Option(help: ArgumentHelp("Where the router listens. Default: \(Defaults.routerListen).", valueName: "host:port"))
    var router: String?

    @Option(
        help: ArgumentHelp(
            "Where the router accepts TLS, beside the address for plain connections. Default: nowhere.",
            valueName: "host:port"))
    var routerTls: String?

    @Option(
        help: ArgumentHelp(
            "The router's certificate and those between it and the root, PEM; SIGHUP reads it again. Default: made for "
                + "each name by a local authority, for development.", valueName: "file"))
    var routerCertificate: String?

    @Option(help: ArgumentHelp("The private key of the router's certificate, PEM.", valueName: "file"))
    var routerKey: String?

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

    @Option(
        help: ArgumentHelp(
            "Memory that apps together may never use, such as 512M. Default: a twentieth, 64M to 1G.", valueName: "size"
        ))
    var reserveMemory: String?

    @Option(
        help: ArgumentHelp(
            "Processes and threads that apps together may never have. Default: a twentieth, at least 256.",
            valueName: "count"))
    var reserveProcesses: String?

    @Option(help: ArgumentHelp("The paas-init program. Default: beside this program.", valueName: "path"))
    var initPath: String?

    @Option(
        help: ArgumentHelp("Allow apps that ask for --sandbox off: true or false. Default: false.", valueName: "bool"))
    var allowSandboxOff: String?

    @Option(
        help: ArgumentHelp(
            "What this node must be able to enforce before it starts apps: full, every layer; base, those that Linux "
                + "6.1 has; any, whatever there is of Landlock and seccomp. Default: base.", valueName: "level"))
    var minimumSandbox: String?

    @Option(
        help: ArgumentHelp(
            "Size of the logs of all apps; beyond it the largest log loses its oldest lines. Default: a tenth of the disk, at "
                + "most 10G.", valueName: "size"))
    var logTotal: String?

    @Option(
        help: ArgumentHelp(
            "Sandboxes at most that wait for the next start of an app, so that a crash is over sooner; 0: none. Default: "
                + "\(Defaults.standbys).", valueName: "count"))
    var standbys: String?

    @Option(
        name: .customLong("default"),
        help: ArgumentHelp(
            "Default for apps that do not say otherwise, such as start-timeout=90s; may be repeated. Names: "
                + LifecycleRules.fields.map(\.option).joined(separator: ", ") + ".", valueName: "name=value"))
    var defaults: [String] = []

    @Option(
        name: .customLong("router-limit"),
        help: ArgumentHelp(
            "How long the router waits or how much it accepts, such as head-timeout=10s; may be repeated. Names: "
                + RouterSetting.all.map(\.name).joined(separator: ", ") + ".", valueName: "name=value"))
    var routerLimits: [String] = []
}

/// The agent's settings after flags, environment and file are joined.
struct AgentSettings: Sendable {
    var home: PaaSHome
    var logLevel: LogSettings
    var endpoint: APIEndpoint
    var token: String?
    var caCertificate: String?
    var router: HostPort
    /// Where the router accepts TLS; nil for nowhere.
    var routerTLS: HostPort?
    /// Certificate and key; nil for the local authority's.
    var routerCertificate: (certificate: String, key: String)?
    /// What the router waits for and accepts, and where it listens.
    var routing: RouterConfiguration
    var node: String
    var portRange: ClosedRange<UInt16>
    var cgroupRoot: String?
    var reserve: NodeReserve
    var initPath: String
    var allowSandboxOff: Bool
    var minimumSandbox: SandboxMinimum
    /// Bytes of all logs; nil for a part of the disk.
    var logTotalBytes: Int64?
    /// Runs that are made before they are needed.
    var standbys: Int
    /// What holds for apps that do not say otherwise.
    var lifecycle: LifecycleRules
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
        caCertificate = try settings.text("ca-certificate", flag: options.caCertificate)
        router =
            try settings.value("router", flag: options.router) { try HostPort(validating: $0, field: $1) }
            ?? HostPort(validating: Defaults.routerListen, field: "router")
        routerTLS = try settings.value("router-tls", flag: options.routerTls) {
            try HostPort(validating: $0, field: $1)
        }
        routerCertificate = try Self.certificate(settings, options)
        routing = try Self.routing(settings, options.routerLimits, at: router)
        node =
            try settings.value("node", flag: options.node) { text, source in
                try Self.checkNode(text, source)
                return text
            } ?? Self.hostName
        portRange =
            try settings.value("port-range", flag: options.portRange, parse: Self.parseRange) ?? Defaults.portRange
        cgroupRoot = try settings.text("cgroup-root", flag: options.cgroupRoot)
        reserve = try Self.reserve(settings, options)
        initPath = try settings.text("init-path", flag: options.initPath) ?? Self.defaultInitPath
        allowSandboxOff =
            try settings.value("allow-sandbox-off", flag: options.allowSandboxOff) { text, source in
                guard let value = Bool(text) else {
                    throw PaaSModel.ValidationError(field: source, message: "'\(text)' is not true or false")
                }
                return value
            } ?? false
        minimumSandbox =
            try settings.value("minimum-sandbox", flag: options.minimumSandbox) { text, source in
                guard let value = SandboxMinimum(rawValue: text) else {
                    throw PaaSModel.ValidationError(field: source, message: "'\(text)' is not any, base or full")
                }
                return value
            } ?? .base
        logTotalBytes = try settings.value("log-total", flag: options.logTotal) { text, source in
            guard let count = ByteCount(text), count.bytes >= 1 << 20 else {
                throw PaaSModel.ValidationError(
                    field: source, message: "'\(text.prefix(40))' is not a size from 1M up, such as 10G")
            }
            return count.bytes
        }
        standbys =
            try settings.value("standbys", flag: options.standbys) { text, source in
                guard let count = Int(text), (0...Self.mostStandbys).contains(count) else {
                    throw PaaSModel.ValidationError(
                        field: source, message: "'\(text.prefix(40))' is not a number from 0 to \(Self.mostStandbys)")
                }
                return count
            } ?? Defaults.standbys
        lifecycle = try Self.lifecycle(settings, options.defaults)
    }

    /// Each takes two processes and eight descriptors of the agent.
    private static let mostStandbys = 4_096

    private static func lifecycle(_ settings: Settings, _ flags: [String]) throws -> LifecycleRules {
        let given = try assignments(flags, of: "--default", names: LifecycleRules.fields.map(\.option))
        var rules = LifecycleRules()
        for field in LifecycleRules.fields {
            let value = try settings.value("default.\(field.option)", flag: given[field.option]) { text, _ in
                let value = try field.parse(text)
                var alone = LifecycleRules()
                field.set(value, in: &alone)
                try alone.validate()
                return value
            }
            if let value { field.set(value, in: &rules) }
        }
        return rules
    }

    private static func certificate(
        _ settings: Settings, _ options: AgentOptions
    ) throws -> (certificate: String, key: String)? {
        let certificate = try settings.text("router-certificate", flag: options.routerCertificate)
        let key = try settings.text("router-key", flag: options.routerKey)
        switch (certificate, key) {
        case (nil, nil): return nil
        case (let certificate?, let key?): return (certificate, key)
        case (_, nil):
            throw ConfigurationError(source: "--router-key", message: "is missing; a certificate needs its key")
        case (nil, _):
            throw ConfigurationError(source: "--router-certificate", message: "is missing; a key needs its certificate")
        }
    }

    private static func routing(
        _ settings: Settings, _ flags: [String], at address: HostPort
    ) throws -> RouterConfiguration {
        let given = try assignments(flags, of: "--router-limit", names: RouterSetting.all.map(\.name))
        var routing = RouterConfiguration(host: address.host, port: address.port)
        for setting in RouterSetting.all {
            let changed = try settings.value("router-limit.\(setting.name)", flag: given[setting.name]) { text, _ in
                var changed = routing
                try setting.set(text, in: &changed)
                return changed
            }
            if let changed { routing = changed }
        }
        return routing
    }

    /// Reads flags of the form `NAME=VALUE`; of two with one name the later holds.
    private static func assignments(
        _ flags: [String], of option: String, names: [String]
    ) throws(ConfigurationError) -> [String: String] {
        var given: [String: String] = [:]
        for flag in flags {
            let parts = flag.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, names.contains(parts[0]) else {
                throw ConfigurationError(
                    source: option,
                    message: "takes NAME=VALUE, where NAME is one of \(names.joined(separator: ", "))")
            }
            given[parts[0]] = parts[1]
        }
        return given
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

    private static func reserve(_ settings: Settings, _ options: AgentOptions) throws -> NodeReserve {
        var reserve = NodeReserve.standard()
        if let bytes = try settings.value(
            "reserve-memory", flag: options.reserveMemory,
            parse: { text, source in
                guard let count = ByteCount(text) else {
                    throw PaaSModel.ValidationError(
                        field: source, message: "'\(text.prefix(40))' is not a size such as 512M")
                }
                return count.bytes
            })
        {
            reserve.memoryBytes = bytes
        }
        if let processes = try settings.value(
            "reserve-processes", flag: options.reserveProcesses,
            parse: { text, source in
                guard let count = Int64(text), count >= 0 else {
                    throw PaaSModel.ValidationError(
                        field: source, message: "'\(text.prefix(40))' is not a number of processes")
                }
                return count
            })
        {
            reserve.processes = processes
        }
        return reserve
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

    static var defaultInitPath: String {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "/usr/bin/agent"
        return own.prefix(upTo: own.lastIndex(of: "/") ?? own.startIndex) + "/paas-init"
    }
}

/// How the agent logs.
struct LogSettings: Sendable {
    var level: Logger.Level
    var format: LogFormat
}
