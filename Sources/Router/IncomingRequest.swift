// SPDX-License-Identifier: Apache-2.0

import NIOCore
import PaaSModel

/// A request whose head has arrived.
struct IncomingRequest {
    let head: RequestHead
    let facts: RequestFacts
    /// The X-Request-Id.
    let id: RequestID
    /// The client's IP address.
    let client: String
    /// When the head was complete.
    let time: Timestamp
    /// The same on the clock that does not jump.
    let start: NIODeadline

    var isHead: Bool { head.kind == .head }

    /// No byte of body follows the head.
    var isBodyless: Bool { facts.framing == .none || facts.framing == .length(0) }

    /// Doing it twice is as good as once (RFC 9110 §9.2.2).
    var isIdempotent: Bool { head.kind.isIdempotent }

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
        let (method, path) = head.bytes.withUnsafeReadableBytes { all in
            let target = all[head.target]
            let end = all.firstIndex(of: 0x3F, in: head.target) ?? target.endIndex
            return (
                String(decoding: all[head.method], as: UTF8.self),
                String(decoding: target[target.startIndex..<min(end, target.startIndex + 1_024)], as: UTF8.self)
            )
        }
        return AccessRecord(
            time: time, app: app, client: client, method: method, path: path, status: status, bytes: bytes,
            duration: .nanoseconds((now - start).nanoseconds), upstreamID: upstreamID, requestID: id, isCut: isCut)
    }
}
