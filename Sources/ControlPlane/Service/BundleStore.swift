// SPDX-License-Identifier: Apache-2.0

internal import Crypto
internal import FoundationEssentials
internal import Glibc
internal import NIOCore
internal import NIOPosix
public import PaaSModel

/// Uploaded bundles: one file per content, named by its SHA-256. A file is there completely or not at all.
public struct BundleStore: Sendable {
    /// The directory of the files.
    public let directory: String
    private let maxBytes: Int64

    /// Opens the directory, creating it (mode 0700) when needed, and drops uploads that an earlier process left.
    ///
    /// - Throws: `StartupError`.
    public init(directory: String, maxBytes: Int64 = Defaults.maxBundleBytes) throws {
        self.directory = directory
        self.maxBytes = maxBytes
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            for name in try FileManager.default.contentsOfDirectory(atPath: directory) where name.hasSuffix(".part") {
                try FileManager.default.removeItem(atPath: directory + "/" + name)
            }
        } catch {
            throw StartupError("cannot use the bundle directory \(directory); check its owner and permissions")
        }
    }

    /// The path of a bundle's file, which may not exist; nil when the text is not 64 lower-case hex digits.
    public func path(_ digest: String) -> String? {
        let isHex = digest.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        return digest.utf8.count == 64 && isHex ? directory + "/" + digest : nil
    }

    /// The bundle was uploaded. Whoever asks is about to use it, which spares it from the next collection.
    public func contains(_ digest: String) -> Bool {
        guard let path = path(digest), size(digest) != nil else { return false }
        // Should this fail, the bundle is only collected earlier, and the client is told to upload it again.
        utimensat(AT_FDCWD, path, nil, 0)
        return true
    }

    /// Removes bundles that nothing refers to and that nobody has uploaded or asked for in the last hour: a deploy asks
    /// first, and refers to its bundle a little later.
    ///
    /// - Returns: how many were removed. What cannot be removed stays for the next time.
    func collect(except used: Set<String>, unusedFor age: Duration = .seconds(3_600)) -> Int {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: directory) else { return 0 }
        let latest = Timestamp.now.advanced(bySeconds: -age.inSeconds).microseconds / 1_000_000
        return names.count { name in
            guard !used.contains(name), let path = path(name) else { return false }
            var status = stat()
            guard stat(path, &status) == 0, status.st_mtim.tv_sec <= Int(latest) else { return false }
            return unlink(path) == 0
        }
    }

    /// The size of a bundle in bytes; nil when there is none.
    public func size(_ digest: String) -> Int64? {
        guard let path = path(digest) else { return nil }
        var status = stat()
        return stat(path, &status) == 0 ? Int64(status.st_size) : nil
    }

    /// Reads an upload to its end, and keeps nothing.
    ///
    /// - Throws: `Problem` 413 when it is larger than allowed.
    func skip(_ body: some AsyncSequence<ByteBuffer, any Error>) async throws {
        var size: Int64 = 0
        for try await chunk in body {
            size += Int64(chunk.readableBytes)
            guard size <= maxBytes else { throw tooLarge }
        }
    }

    private var tooLarge: Problem { .tooLarge("a bundle may have at most \(ByteCount(bytes: maxBytes))") }

    /// Streams a bundle to disk, and keeps it when its content has the digest.
    ///
    /// - Parameter declared: its size as the client says; one that is too large is refused before it is sent.
    /// - Throws: `Problem` 413 when it is larger than allowed; `ValidationError` when the digest is another one;
    ///   `Problem` 503 when the disk fails. Nothing is kept then.
    func save(
        _ digest: String, _ body: some AsyncSequence<ByteBuffer, any Error>, declared: Int64? = nil
    ) async throws {
        guard let path = path(digest) else {
            throw ValidationError(field: "sha256", message: "is not a SHA-256 in 64 lower-case hex digits")
        }
        if let declared, declared > maxBytes { throw tooLarge }
        let upload = try Upload(path: path)
        defer { upload.discard() }
        var hash = SHA256()
        var size: Int64 = 0
        for try await chunk in body {
            size += Int64(chunk.readableBytes)
            guard size <= maxBytes else { throw tooLarge }
            chunk.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
            try await NIOThreadPool.singleton.runIfActive { try upload.write(chunk) }
        }
        let actual = ControlPlaneService.hex(hash.finalize())
        guard actual == digest else {
            throw ValidationError(field: "sha256", message: "does not match: the body's SHA-256 is \(actual)")
        }
        try await NIOThreadPool.singleton.runIfActive { try upload.commit() }
    }
}

/// A bundle on its way to disk; its temporary file goes away with it unless it was committed.
private final class Upload: @unchecked Sendable {
    // @unchecked: the calls of one upload follow one another, each awaited; only the thread they run on differs.
    private let path: String
    private let temporary: String
    private var descriptor: Int32

    init(path: String) throws {
        self.path = path
        temporary = "\(path).\(RandomID.instance()).part"
        descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.failure("create", temporary) }
    }

    deinit { discard() }

    /// Removes the temporary file unless it was committed.
    func discard() {
        guard descriptor >= 0 else { return }
        close(descriptor)
        descriptor = -1
        unlink(temporary)
    }

    func write(_ chunk: ByteBuffer) throws {
        try chunk.withUnsafeReadableBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count >= 0 {
                    rest = rest.dropFirst(count)
                } else if errno != EINTR {
                    throw Self.failure("write", temporary)
                }
            }
        }
    }

    /// Makes the file durable under its name: its content first, then the rename, then the directory's entry.
    func commit() throws {
        guard fsync(descriptor) == 0 else { throw Self.failure("fsync", temporary) }
        guard rename(temporary, path) == 0 else { throw Self.failure("rename", temporary) }
        close(descriptor)
        descriptor = -1
        let directory = open(URL(filePath: path).deletingLastPathComponent().path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw Self.failure("open the directory of", path) }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw Self.failure("fsync the directory of", path) }
    }

    private static func failure(_ operation: String, _ path: String) -> Problem {
        Problem.store(.failed(operation: "\(operation) \(path)", reason: String(cString: strerror(errno))))
    }
}
