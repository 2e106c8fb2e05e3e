// SPDX-License-Identifier: Apache-2.0

internal import Crypto
internal import FoundationEssentials
internal import Glibc

/// The administrator's token: 32 random bytes as base64url in a file of mode 0600. Only its SHA-256 stays in memory.
public struct AdminToken: Sendable {
    private let digest: SHA256.Digest

    /// Keeps the digest of a token.
    public init(token: String) {
        digest = SHA256.hash(data: Array(token.utf8))
    }

    /// Reads the token of a home, or writes a new one at the first start.
    ///
    /// - Throws: `StartupError` when the file is unreadable, readable for others, or has no token.
    public static func load(path: String) throws(StartupError) -> AdminToken {
        var status = stat()
        if lstat(path, &status) != 0 {
            guard errno == ENOENT else { throw failure("read", path) }
            return try create(path)
        }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid() || status.st_uid == 0 else {
            throw StartupError("the token file \(path) is not a regular file of this user; remove it to get a new one")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw StartupError(
                "the token file \(path) can be read by other users; run 'chmod 600 \(path)', or remove it to get a "
                    + "new one")
        }
        guard let data = try? Data(contentsOf: URL(filePath: path)), data.count <= 4_096,
            let text = String(validating: data, as: UTF8.self)
        else { throw failure("read", path) }
        let token = text.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""
        guard token.utf8.count >= 32 else {
            throw StartupError("the token file \(path) has no token; remove it to get a new one")
        }
        return AdminToken(token: token)
    }

    private static func create(_ path: String) throws(StartupError) -> AdminToken {
        var generator = SystemRandomNumberGenerator()
        let random = Data((0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
        let token = String(
            random.base64EncodedString().compactMap { character -> Character? in
                switch character {
                case "+": "-"
                case "/": "_"
                case "=": nil
                default: character
                }
            })
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure("create", path) }
        defer { close(descriptor) }
        let line = Array((token + "\n").utf8)
        guard write(descriptor, line, line.count) == line.count, fsync(descriptor) == 0 else {
            let error = failure("write", path)
            unlink(path)
            throw error
        }
        return AdminToken(token: token)
    }

    private static func failure(_ operation: String, _ path: String) -> StartupError {
        StartupError("cannot \(operation) the token file \(path): \(String(cString: strerror(errno)))")
    }

    /// The text is the token. Takes the same time for every text of the same length: digests are compared, and
    /// Crypto compares them in constant time.
    public func matches(_ text: String) -> Bool {
        SHA256.hash(data: Array(text.utf8)) == digest
    }
}
