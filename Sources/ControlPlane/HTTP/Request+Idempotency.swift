// SPDX-License-Identifier: Apache-2.0

internal import Crypto
internal import HTTPTypes
internal import Hummingbird
internal import PaaSModel

/// A POST that must not be carried out twice.
struct OnceOnly: Hashable, Sendable {
    /// Where its record lies in the store: a digest of who asks and of the key, so that keys of others are not met.
    let storeKey: String
    /// SHA-256 of path and body: another request under the same key is a mistake.
    let digest: String

    init(key: String, principal: String, path: String, body: [UInt8]) {
        storeKey = StoreKey.idempotency(ControlPlaneService.hex(SHA256.hash(data: Array("\(principal)\n\(key)".utf8))))
        digest = ControlPlaneService.hex(SHA256.hash(data: Array("\(path)\n".utf8) + body))
    }
}

extension Request {
    /// What `Idempotency-Key` asks for; nil without one.
    ///
    /// - Throws: `ValidationError` for a key that is empty or too long.
    func onceOnly(_ body: [UInt8], _ context: APIContext) throws -> OnceOnly? {
        guard let key = HTTPField.Name("Idempotency-Key").flatMap({ headers[$0] }) else { return nil }
        guard key.isVisibleASCII(upTo: 255) else {
            throw ValidationError(field: "Idempotency-Key", message: "is not 1 to 255 visible ASCII characters")
        }
        return OnceOnly(key: key, principal: context.principal?.name ?? "", path: uri.path, body: body)
    }
}
