// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Glibc
internal import PaaSModel
internal import ProgramSupport

/// A directory that is deployed.
struct SourceDirectory: Hashable {
    /// Absolute, without symbolic links.
    let path: String

    /// Finds a directory, and refuses one that holds more than an app.
    ///
    /// - Parameters:
    ///   - path: as given.
    ///   - home: the user's home directory.
    /// - Throws: `CommandFailure` with code 64.
    init(path: String, home: String?) throws {
        guard let real = Self.real(path), Self.isDirectory(real) else {
            throw CommandFailure(.usage, "--source \(path): there is no such directory")
        }
        if let reason = Self.refusal(of: real, home: home.flatMap(Self.real)) {
            throw CommandFailure(
                .usage, "\(real) is \(reason), and would be uploaded as a whole",
                hint: "name the directory of the app: paas deploy --source DIR")
        }
        self.path = real
    }

    /// Why a directory is refused; nil when it is not. Both paths are absolute and real.
    static func refusal(of path: String, home: String?) -> String? {
        if path == "/" { return "the root directory" }
        guard let home, home != "/" else { return nil }
        if path == home { return "your home directory" }
        return home.hasPrefix(path + "/") ? "above your home directory" : nil
    }

    /// Text of a small file in the directory; nil when it is not there.
    ///
    /// - Throws: `CommandFailure` when it is there and cannot be read.
    func text(of name: String) throws -> String? {
        let file = path + "/" + name
        guard FileManager.default.fileExists(atPath: file) else { return nil }
        guard let data = FileManager.default.contents(atPath: file), data.count <= ConfigurationFile.maxBytes,
            let text = String(validating: data, as: UTF8.self)
        else { throw CommandFailure(.usage, "\(file) is not readable UTF-8 text of at most 1 MiB") }
        return text
    }

    /// What the directory says of its app: `paas.toml`, and a `Procfile`'s `web` when that names no command.
    ///
    /// - Throws: `ConfigurationError` with the line, `CommandFailure`.
    func manifest() throws -> AppManifest {
        var manifest = AppManifest()
        if let text = try text(of: "paas.toml") {
            manifest = try AppManifest(text: text, path: path + "/paas.toml")
        }
        if manifest.spec.command == nil, let text = try text(of: "Procfile") {
            manifest.spec.command = Procfile.webCommand(in: text).map(Command.shell)
        }
        return manifest
    }

    private static func real(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    private static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}
