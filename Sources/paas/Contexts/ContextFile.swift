// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Glibc
internal import ProgramSupport

/// The user's named control planes: `contexts.json` in the configuration directory, mode 0600 because of its tokens.
struct ContextFile: Codable, Hashable {
    /// A control plane, and what opens it.
    struct Context: Codable, Hashable {
        var url: String
        var token: String?
    }

    /// The context of commands that name none.
    var current: String?
    /// By name.
    var contexts: [String: Context] = [:]

    /// `$XDG_CONFIG_HOME/mini-paas/contexts.json`, else below `~/.config`; nil without a home directory.
    static func path(_ environment: [String: String]) -> String? {
        // The XDG Base Directory Specification has an empty variable count as unset.
        let set = environment.filter { !$0.value.isEmpty }
        let directory = set["XDG_CONFIG_HOME"] ?? set["HOME"].map { "\($0)/.config" }
        return directory.map { "\($0)/mini-paas/contexts.json" }
    }

    /// 1 to 63 letters, digits, `-`, `_` and `.`, beginning with a letter or digit.
    static func isName(_ text: String) -> Bool {
        let isPlain = text.utf8.allSatisfy {
            (0x61...0x7A).contains($0) || (0x41...0x5A).contains($0) || (0x30...0x39).contains($0)
                || $0 == 0x2D || $0 == 0x2E || $0 == 0x5F
        }
        return (1...63).contains(text.utf8.count) && isPlain && text.first?.isLetter != text.first?.isNumber
    }

    /// Reads the file; a missing one is empty.
    ///
    /// - Throws: `ConfigurationError` when it cannot be read.
    static func read(_ path: String?) throws(ConfigurationError) -> ContextFile {
        guard let path, FileManager.default.fileExists(atPath: path) else { return ContextFile() }
        guard let data = FileManager.default.contents(atPath: path), data.count <= ConfigurationFile.maxBytes,
            let file = try? JSONDecoder().decode(ContextFile.self, from: data)
        else {
            throw ConfigurationError(
                source: path, message: "is not a readable file of contexts; correct it, or remove it and add them again"
            )
        }
        return file
    }

    /// Replaces the file in one step; its directory is made where it is missing.
    ///
    /// - Throws: `CommandFailure`.
    func write(_ path: String) throws {
        let directory = String(path.prefix(upTo: path.lastIndex(of: "/") ?? path.startIndex))
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw CommandFailure(
                .failure, "\(directory) cannot be made", hint: "set XDG_CONFIG_HOME to a directory that can be written")
        }
        // Beside the file and under a name of its own; 0600 from the beginning.
        let temporary = "\(path).\(getpid())"
        let bytes = Array(try JSONOutput.document(self).utf8)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        let isWritten =
            descriptor >= 0 && fchmod(descriptor, 0o600) == 0
            && Glibc.write(descriptor, bytes, bytes.count) == bytes.count && fsync(descriptor) == 0
        let code = errno
        if descriptor >= 0 { close(descriptor) }
        guard isWritten, rename(temporary, path) == 0 else {
            unlink(temporary)
            throw CommandFailure(
                .failure, "\(path) cannot be written: \(String(cString: strerror(isWritten ? errno : code)))",
                hint: "set XDG_CONFIG_HOME to a directory that can be written")
        }
    }
}
