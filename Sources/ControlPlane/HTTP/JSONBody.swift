// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import PaaSModel

/// A JSON value whose type is not known beforehand.
enum JSONValue: Codable, Hashable, Sendable {
    case null
    case boolean(Bool)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .boolean(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }
}

/// Reads JSON request bodies strictly, and turns what is wrong into a problem that names the place.
enum JSONBody {
    /// Largest JSON body.
    static let maxBytes = 1 << 20

    /// Reads an object that may have only the given fields.
    ///
    /// - Throws: `Problem` 400, or `ValidationError` that names the unknown field.
    static func object(
        _ bytes: [UInt8], allowed: Set<String>, of what: String
    ) throws -> [String: JSONValue] {
        guard case .object(let fields) = try decode(JSONValue.self, bytes) else {
            throw Problem.malformed("the body is not a JSON object")
        }
        if let unknown = fields.keys.sorted().first(where: { !allowed.contains($0) }) {
            let known = allowed.sorted().joined(separator: ", ")
            throw ValidationError(
                field: String(unknown.prefix(80)), message: "is not a field of \(what); there are \(known)")
        }
        return fields
    }

    /// Decodes a body.
    ///
    /// - Throws: `Problem` 400 for what is not JSON, `ValidationError` for JSON of the wrong shape.
    static func decode<Value: Decodable>(_ type: Value.Type, _ bytes: [UInt8]) throws -> Value {
        try JSONSyntax.check(bytes)
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch let error as ValidationError {
            throw error
        } catch let error as DecodingError {
            throw translated(error)
        } catch {
            throw Problem.malformed("the body cannot be read")
        }
    }

    private static func translated(_ error: DecodingError) -> any Error {
        switch error {
        case .typeMismatch(let type, let context):
            guard !context.codingPath.isEmpty else { return Problem.malformed("the body is not a JSON object") }
            return ValidationError(field: path(context.codingPath), message: "has the wrong type; \(wanted(type))")
        case .valueNotFound(let type, let context):
            return ValidationError(field: path(context.codingPath), message: "may not be null; \(wanted(type))")
        case .keyNotFound(let key, let context):
            return ValidationError(field: path(context.codingPath + [key]), message: "is required")
        case .dataCorrupted(let context):
            guard context.codingPath.isEmpty else {
                return ValidationError(
                    field: path(context.codingPath), message: "is not valid: \(context.debugDescription)")
            }
            // The syntax was checked before, so this is about a number, which the decoder names no place for.
            return Problem.malformed(
                "the body has a number that is out of range, or not an integer where one is expected")
        @unknown default:
            return Problem.malformed("the body cannot be read")
        }
    }

    /// Checks that a field, when it is a number, is an integer; the decoder would not say which one is not.
    static func requireInteger(_ value: JSONValue?, field: String) throws {
        guard case .number(let number)? = value, Int64(exactly: number) == nil else { return }
        throw ValidationError(field: field, message: "is not an integer in range")
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        let text = keys.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
        return String(text.prefix(200))
    }

    private static func wanted(_ type: Any.Type) -> String {
        switch type {
        case is String.Type: "a string is expected"
        case is Int.Type, is Int64.Type: "an integer is expected"
        case is Double.Type: "a number is expected"
        case is Bool.Type: "true or false is expected"
        case is [String].Type, is [Any].Type: "a list of strings is expected"
        default: "another type is expected"
        }
    }
}
