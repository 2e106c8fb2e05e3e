// SPDX-License-Identifier: Apache-2.0

internal import Crypto
internal import FoundationEssentials
internal import Glibc
internal import PaaSModel
internal import ProgramSupport

/// Packs directories with the system's `tar`, so that the same content always has the same SHA-256.
enum BundlePacker {
    /// Left out: version control, and a home of this platform (it holds the administrator's token).
    static let excluded = [".git", ".paas"]

    /// Sorted, without owners and times; modes, links and empty directories are kept. GNU format: pax headers would
    /// carry access times.
    static func arguments(source: String, archive: String) -> [String] {
        [
            "tar", "--create", "--file=\(archive)", "--format=gnu", "--sort=name", "--owner=0", "--group=0",
            "--numeric-owner", "--mtime=@0",
        ] + excluded.map { "--exclude=./\($0)" } + ["--exclude=.git", "--directory=\(source)", "."]
    }

    /// Packs. Blocks.
    ///
    /// - Throws: `CommandFailure` with what `tar` said.
    static func pack(_ source: SourceDirectory) throws -> Bundle {
        let directory = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        let archive = "\(directory)/paas-\(String(UInt64.random(in: 0...UInt64.max), radix: 36)).tar"
        // Created here, so that it is ours alone from the beginning.
        let descriptor = open(archive, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw CommandFailure(
                .failure, "\(archive): \(String(cString: strerror(errno)))", hint: "set TMPDIR to a directory with room"
            )
        }
        close(descriptor)
        do {
            let result = try ToolRun(arguments(source: source.path, archive: archive))
            guard result.code == 0 else {
                throw CommandFailure(
                    .failure, "\(source.path) cannot be packed: \(result.complaint ?? "tar ended with \(result.code)")")
            }
            let (digest, size) = try hash(archive)
            guard size <= Defaults.maxBundleBytes else {
                throw CommandFailure(
                    .failure,
                    "\(source.path) is \(ByteCount(bytes: size)), more than a bundle's \(ByteCount(bytes: Defaults.maxBundleBytes))"
                )
            }
            return Bundle(path: archive, sha256: digest, size: size)
        } catch {
            unlink(archive)
            throw error
        }
    }

    private static func hash(_ path: String) throws -> (digest: String, size: Int64) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CommandFailure(.failure, "\(path): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var hash = SHA256()
        var size: Int64 = 0
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0 {
                guard errno == EINTR else {
                    throw CommandFailure(.failure, "\(path): \(String(cString: strerror(errno)))")
                }
                continue
            }
            guard count > 0 else { break }
            buffer.withUnsafeBytes { hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            size += Int64(count)
        }
        return (hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(), size)
    }
}
