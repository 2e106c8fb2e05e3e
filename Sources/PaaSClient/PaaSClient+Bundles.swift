// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import Crypto
internal import NIOCore
internal import NIOHTTP1
public import PaaSModel

/// Bundles: archives named by the SHA-256 of their bytes, 64 lower-case hex digits.
extension PaaSClient {
    /// The control plane has the bundle.
    public func hasBundle(_ sha256: String) async throws -> Bool {
        do {
            try await perform(Call(method: .HEAD, target: Self.bundlePath(sha256)))
            return true
        } catch ClientError.problem(let problem) where problem.status == 404 {
            return false
        }
    }

    /// Uploads a bundle from a file.
    ///
    /// - Parameters:
    ///   - sha256: of the file's content, in hexadecimal digits.
    ///   - path: a regular file that nobody changes meanwhile.
    ///   - progress: called with the bytes handed to the connection so far, and the file's size.
    public func uploadBundle(
        _ sha256: String, from path: String,
        progress: @escaping @Sendable (_ sent: Int64, _ total: Int64) -> Void = { _, _ in }
    ) async throws {
        let file = try FileChunks(path: path)
        let total = file.size
        let chunks = FileChunkSequence(file: file) { sent in progress(sent, total) }
        let call = Call(
            method: .PUT, target: Self.bundlePath(sha256), contentType: "application/octet-stream", timeout: nil)
        _ = try await send(call, body: .stream(chunks, length: .known(total)))
    }

    /// Downloads a bundle to a file, which appears whole, or not at all, and only with the right SHA-256.
    ///
    /// - Parameters:
    ///   - sha256: in hexadecimal digits.
    ///   - path: replaced when it is there; its directory must exist.
    ///   - maxBytes: a larger bundle is refused.
    public func downloadBundle(
        _ sha256: String, to path: String, maxBytes: Int64 = Defaults.maxBundleBytes
    ) async throws {
        let call = Call(target: Self.bundlePath(sha256), accept: "application/octet-stream", timeout: nil)
        let response = try await send(call, body: nil)
        let file = try AtomicFile(path: path)
        var hash = SHA256()
        var received: Int64 = 0
        do {
            for try await chunk in response.body {
                received += Int64(chunk.readableBytes)
                guard received <= maxBytes else {
                    throw ClientError.protocolError(
                        "bundle \(sha256.prefix(12)) is larger than \(ByteCount(bytes: maxBytes))")
                }
                try chunk.withUnsafeReadableBytes { bytes in
                    hash.update(bufferPointer: bytes)
                    try file.write(bytes)
                }
            }
        } catch {
            throw ClientError.transport(error, endpoint: endpoint)
        }
        let digest = hash.finalize().map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined()
        guard digest == sha256 else {
            throw ClientError.protocolError("bundle \(sha256.prefix(12)) arrived with other bytes; nothing was kept")
        }
        try file.commit()
    }

    private static func bundlePath(_ sha256: String) -> String { "/bundles/\(PercentEncoding.component(sha256))" }
}
