// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Glibc
internal import ProgramSupport

/// Reads the file of `--env-file`; `-` is standard input.
enum VariableSource {
    /// The variables, in the order of the file.
    ///
    /// - Throws: `CommandFailure` or `ConfigurationError`, never with a value.
    static func variables(file path: String) throws -> [EnvironmentVariable] {
        guard let bytes = path == "-" ? standardInput() : FileManager.default.contents(atPath: path).map(Array.init),
            bytes.count <= ConfigurationFile.maxBytes, let text = String(validating: bytes, as: UTF8.self)
        else {
            throw CommandFailure(
                .usage, "--env-file \(path): is not a readable text file of at most 1 MiB",
                hint: "give a file of KEY=VALUE lines, or - for standard input")
        }
        return try EnvironmentFile.parse(text, path: path == "-" ? "standard input" : path)
    }

    /// All of standard input, a little over the largest file at most; nil when it cannot be read.
    static func standardInput() -> [UInt8]? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count <= ConfigurationFile.maxBytes {
            let count = read(STDIN_FILENO, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return bytes
    }
}
