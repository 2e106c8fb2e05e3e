// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import PaaSModel
internal import ProgramSupport

/// What a deploy will do, decided before anything is sent.
struct DeployPlan: Hashable {
    /// The app.
    let name: AppName
    /// Fields to set, without the name; no command keeps the one of an app that is there.
    let spec: AppSpec
    /// Names of limits to take away from an app that is there.
    let clearedLimits: [String]
    /// What to upload; nil uploads nothing.
    let source: SourceDirectory?

    /// Joins flags and the files of the source directory; flags win.
    ///
    /// A command without `--source` stands for itself: no file of the present directory is read or uploaded. Without
    /// a command the present directory counts as the source when it has a `paas.toml` or a `Procfile`.
    ///
    /// - Parameters:
    ///   - directory: the present directory.
    ///   - home: the user's home directory.
    /// - Throws: `CommandFailure`, `ConfigurationError` or `ValidationError`, all with code 64.
    init(_ options: DeployOptions, directory: String, home: String?) throws {
        source = try Self.source(options, directory: directory, home: home)
        let manifest = try source?.manifest() ?? AppManifest()
        name = try Self.name(options, manifest, directory: source?.path ?? directory)
        spec = try Self.spec(options, manifest)
        clearedLimits = options.limits.cleared.map(\.name)
        // Says what is wrong before anything is packed; the command, and the CPU limit that a burst needs, may come
        // from the app that is there.
        var base = ReleaseSpec(command: spec.command ?? .shell("true"))
        base.limits.cpu = spec.limits?.cpuBurst
        _ = try spec.applied(to: base)
    }

    private static func source(_ options: DeployOptions, directory: String, home: String?) throws -> SourceDirectory? {
        if let path = options.source { return try SourceDirectory(path: path, home: home) }
        guard options.command.isEmpty else { return nil }
        let isProject = ["paas.toml", "Procfile"].contains {
            FileManager.default.fileExists(atPath: "\(directory)/\($0)")
        }
        return isProject ? try SourceDirectory(path: directory, home: home) : nil
    }

    private static func name(_ options: DeployOptions, _ manifest: AppManifest, directory: String) throws -> AppName {
        if let name = options.name {
            do {
                return try AppName(validating: name)
            } catch let error as PaaSModel.ValidationError {
                throw CommandFailure(.usage, "--name \(error.message)")
            }
        }
        if let name = manifest.spec.name { return name }
        guard let name = DerivedName.from(directory: directory) else {
            throw CommandFailure(.usage, "'\(directory)' makes no name for an app", hint: "give one with --name")
        }
        return name
    }

    private static func spec(_ options: DeployOptions, _ manifest: AppManifest) throws -> AppSpec {
        var spec = manifest.spec
        spec.name = nil
        spec.command = options.givenCommand ?? spec.command
        spec.instances = options.instances ?? spec.instances
        spec.healthPath = options.healthPath ?? spec.healthPath
        spec.restart = options.restart ?? spec.restart
        spec.stopSignal = options.stopSignal ?? spec.stopSignal
        spec.stopGraceSeconds = options.stopGrace?.inSeconds ?? spec.stopGraceSeconds
        let lifecycle = (spec.lifecycle ?? LifecycleRules()).merged(with: try options.lifecycle.rules())
        spec.lifecycle = lifecycle.isEmpty ? nil : lifecycle
        spec.network = options.network ?? spec.network
        spec.sandbox = options.sandbox ?? spec.sandbox
        var limits = (spec.limits ?? Limits()).merged(with: options.limits.limits)
        for field in options.limits.cleared { field.clear(&limits) }
        spec.limits = limits.isEmpty ? nil : limits
        for variable in try fileVariables(options) + options.variables {
            spec.env = spec.env ?? [:]
            spec.env?[variable.key] = .some(variable.value)
        }
        return spec
    }

    private static func fileVariables(_ options: DeployOptions) throws -> [EnvironmentVariable] {
        try options.envFile.map(VariableSource.variables(file:)) ?? []
    }
}
