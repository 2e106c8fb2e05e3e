// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials

/// How records become bytes: JSON with sorted keys, so that equal records are equal bytes.
enum RecordCoding {
    static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }

    /// - Throws: `StoreError.unreadable`, without quoting the record, which may hold secrets.
    static func decode<Value: Decodable>(_ type: Value.Type, key: String, _ bytes: [UInt8]) throws -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw StoreError.unreadable(key: key, reason: "it is not a valid \(type)")
        }
    }

    static func decode<Value: Decodable>(_ type: Value.Type, _ entry: KeyValue) throws -> Value {
        try decode(type, key: entry.key, entry.value)
    }
}

extension StoreOperation {
    /// Writes a record.
    static func put(_ key: String, _ record: some Encodable) throws -> StoreOperation {
        .put(key: key, value: try RecordCoding.encode(record))
    }
}
