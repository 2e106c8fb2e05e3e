// SPDX-License-Identifier: Apache-2.0

import NIOCore
import PaaSModel

/// A request whose head has arrived.
struct IncomingRequest {
    let head: RequestHead
    let facts: RequestFacts
    let method: String
    let target: String
    /// The X-Request-Id.
    let id: String
    /// The client's IP address.
    let client: String
    /// When the head was complete.
    let time: Timestamp
    /// The same on the clock that does not jump.
    let start: NIODeadline

    var isHead: Bool { method == "HEAD" }

    /// No byte of body follows the head.
    var isBodyless: Bool { facts.framing == .none || facts.framing == .length(0) }

    /// Doing it twice is as good as once (RFC 9110 §9.2.2).
    var isIdempotent: Bool { ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"].contains(method) }

    /// The client would rather read HTML than JSON.
    var prefersHTML: Bool {
        let accept = head.fields.filter { $0.known == .accept }.map { head.bytes.text($0.value) }
        return AcceptPreference.prefersHTML(accept.isEmpty ? nil : accept.joined(separator: ","))
    }

    /// The line for the access log.
    func record(
        app: String?, status: Int, bytes: Int64, upstreamID: String?, isCut: Bool, now: NIODeadline
    ) -> AccessRecord {
        // What comes from a client is cut by bytes: finding out what a character is would take longer than the proxying.
        let path = target.utf8.prefix { $0 != UInt8(ascii: "?") }.prefix(1_024)
        return AccessRecord(
            time: time, app: app, client: client, method: method, path: String(decoding: path, as: UTF8.self),
            status: status, bytes: bytes, duration: .nanoseconds((now - start).nanoseconds), upstreamID: upstreamID,
            requestID: id, isCut: isCut)
    }
}
