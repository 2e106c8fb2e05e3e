// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

extension ControlPlaneService {
    /// A request whose key is known: it has been carried out.
    struct Repetition: Error {
        let record: IdempotencyRecord
    }

    /// Changes an app, or answers with how it is now when the same request has done so before.
    ///
    /// - Parameters:
    ///   - id: the app.
    ///   - load, body: see `change`.
    /// - Throws: what they throw; `Problem` 409 when the key was used for another request, or its app is gone.
    func carriedOutOnce(
        _ once: OnceOnly?, id: String, load: @escaping @Sendable () async throws -> [String],
        body: @escaping @Sendable (inout Change) throws -> Void
    ) async throws -> TaggedApp {
        let place = try await IdempotencyPlace(once, store)
        do {
            let after = try await change(load: { [self] in
                try await requireFirst(once)
                return try await load()
            }) { change in
                try body(&change)
                try change.remember(place, id: id)
            }.after
            return try tagged(after[id])
        } catch let repetition as Repetition {
            guard try await store.get(StoreKey.app(repetition.record.appID)) != nil else {
                throw Problem.idempotentAppGone
            }
            return try await app(repetition.record.appID)
        }
    }

    /// Looks a key up; inside the gate, so that of two equal requests one comes second.
    ///
    /// - Throws: `Repetition`; `Problem` 409 when the key was used for another request.
    func requireFirst(_ once: OnceOnly?) async throws {
        guard let once, let entry = try await store.get(once.storeKey) else { return }
        let record = try RecordCoding.decode(IdempotencyRecord.self, entry)
        guard !record.isExpired else { return }
        guard record.bodyDigest == once.digest else { throw Problem.idempotencyKeyReused }
        throw Repetition(record: record)
    }
}

/// Where a key's record will lie, and what must go for it.
struct IdempotencyPlace: Sendable {
    let once: OnceOnly
    /// Expired records, and the oldest beyond the number that is kept.
    let surplus: [String]

    /// Nil without a key.
    init?(_ once: OnceOnly?, _ store: any KeyValueStore) async throws {
        guard let once else { return nil }
        self.once = once
        let present = try await store.read([KeyRange(prefix: StoreKey.idempotency)]).ranges[0]
            .sorted { $0.createRevision < $1.createRevision }
        let excess = max(0, present.count + 1 - IdempotencyRecord.retention)
        surplus = try present.enumerated().filter { index, entry in
            guard entry.key != once.storeKey else { return false }
            return try index < excess || RecordCoding.decode(IdempotencyRecord.self, entry).isExpired
        }.map(\.element.key)
    }
}

extension ControlPlaneService.Change {
    /// Remembers that a request was carried out, in the transaction that does so.
    ///
    /// - Parameter id: the app or the token.
    mutating func remember(_ place: IdempotencyPlace?, id: String) throws {
        guard let place else { return }
        // The gate has let this request see that there is no record, or an expired one, which this one replaces.
        let record = IdempotencyRecord(bodyDigest: place.once.digest, appID: id, createdAt: now)
        operations.append(try .put(place.once.storeKey, record))
        operations += place.surplus.map { .delete(key: $0) }
    }
}
