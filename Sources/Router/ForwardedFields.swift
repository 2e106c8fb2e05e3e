// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// The fields about client and address that a request gets, written once for all requests of a connection to one app.
final class ForwardedFields {
    private let host: [UInt8]?
    private let forwarded: [UInt8]
    private let prefix: String?

    /// - Parameter request: one to that app.
    init(client: Client, request: AppRequest) {
        prefix = request.prefix
        host = request.authority.isEmpty ? nil : Array(request.authority.utf8)
        forwarded = Array("X-Forwarded-For: \(client.address)\r\nX-Forwarded-Proto: \(client.scheme)\r\n".utf8)
    }

    /// Writes the Host.
    ///
    /// - Parameter upstream: its address is the Host when the client sent none.
    func writeHost(_ upstream: Upstream, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("Host: ")
        writeAuthority(upstream, into: &buffer)
    }

    /// Writes X-Forwarded-For, -Proto, -Host and -Prefix.
    func write(_ upstream: Upstream, into buffer: inout ByteBuffer) {
        buffer.writeBytes(forwarded)
        buffer.writeStaticString("X-Forwarded-Host: ")
        writeAuthority(upstream, into: &buffer)
        if let prefix { buffer.writeField("X-Forwarded-Prefix", prefix) }
    }

    private func writeAuthority(_ upstream: Upstream, into buffer: inout ByteBuffer) {
        if let host { buffer.writeBytes(host) } else { buffer.writeString("\(upstream.host):\(upstream.port)") }
        buffer.writeStaticString("\r\n")
    }
}
