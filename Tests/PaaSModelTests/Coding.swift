// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// JSON with sorted keys.
func encoded(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}

func decoded<Value: Decodable>(_ type: Value.Type, _ json: String) throws -> Value {
    try JSONDecoder().decode(type, from: Data(json.utf8))
}

/// The value after a trip over the wire.
func roundTrip<Value: Codable>(_ value: Value) throws -> Value {
    try decoded(Value.self, try encoded(value))
}
