// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import PaaSModel

/// How a list or stream of JSON values is written.
enum StreamFormat: Hashable, Sendable {
    /// One JSON array; only for what ends.
    case array
    /// One value a line.
    case lines
    /// Server-sent events.
    case events

    /// What a request asks for: `Accept` decides, else `follow=true` means lines and everything else an array.
    static func requested(by request: Request, follow: Bool) -> StreamFormat {
        let accept = request.headers[.accept] ?? ""
        if accept.contains("text/event-stream") { return .events }
        return follow || accept.contains("application/x-ndjson") ? .lines : .array
    }

    var contentType: String {
        switch self {
        case .array: "application/json"
        case .lines: "application/x-ndjson"
        case .events: "text/event-stream"
        }
    }

    /// What comes before the first value.
    var opening: String { self == .array ? "[" : "" }
    /// What comes after the last value.
    var closing: String { self == .array ? "]\n" : "" }

    /// One value with what separates it from its neighbours.
    ///
    /// - Parameters:
    ///   - json: the value, without a newline.
    ///   - id: what a client resumes from, for server-sent events.
    func frame(_ json: some Collection<UInt8>, id: String? = nil, isFirst: Bool) -> ByteBuffer {
        var buffer = ByteBuffer()
        switch self {
        case .array:
            if !isFirst { buffer.writeString(",\n") }
            buffer.writeBytes(json)
        case .lines:
            buffer.writeBytes(json)
            buffer.writeString("\n")
        case .events:
            if let id { buffer.writeString("id: \(id)\n") }
            buffer.writeString("data: ")
            buffer.writeBytes(json)
            buffer.writeString("\n\n")
        }
        return buffer
    }
}
