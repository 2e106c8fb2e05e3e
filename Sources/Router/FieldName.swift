// SPDX-License-Identifier: Apache-2.0

/// The fields that the router itself understands; every other one is passed on as it came.
enum FieldName: String, CaseIterable {
    // Framing and routing.
    case host
    case contentLength = "content-length"
    case transferEncoding = "transfer-encoding"
    case expect
    // Hop by hop, RFC 9110 §7.6.1 and its predecessors.
    case connection
    case keepAlive = "keep-alive"
    case proxyConnection = "proxy-connection"
    case proxyAuthenticate = "proxy-authenticate"
    case proxyAuthorization = "proxy-authorization"
    case te
    case upgrade
    // Said by the router, never taken from a client.
    case forwarded
    case xForwardedFor = "x-forwarded-for"
    case xForwardedHost = "x-forwarded-host"
    case xForwardedPort = "x-forwarded-port"
    case xForwardedPrefix = "x-forwarded-prefix"
    case xForwardedProto = "x-forwarded-proto"
    case xForwardedScheme = "x-forwarded-scheme"
    case xForwardedServer = "x-forwarded-server"
    case xForwardedSSL = "x-forwarded-ssl"
    case xRealIP = "x-real-ip"
    case xRequestID = "x-request-id"
    /// CGI turns it into the environment variable HTTP_PROXY (CVE-2016-5385).
    case proxy
    // Read or rewritten.
    case accept
    case date
    case location
    case setCookie = "set-cookie"
    // Would reach beyond the app's own path.
    case clearSiteData = "clear-site-data"
    case serviceWorkerAllowed = "service-worker-allowed"

    /// Meant for one connection only: never passed on as it came.
    var isHopByHop: Bool {
        switch self {
        case .connection, .keepAlive, .proxyConnection, .proxyAuthenticate, .proxyAuthorization, .te, .upgrade,
            .transferEncoding, .contentLength:
            true
        default: false
        }
    }

    /// Passed on to an app when a client sent it; everything else in this list the router says itself or withholds.
    var isClientsToSay: Bool {
        switch self {
        case .accept, .date, .location, .setCookie, .clearSiteData, .serviceWorkerAllowed: true
        default: false
        }
    }

    /// Finds the field by its name on the wire.
    ///
    /// `_` counts as `-`: CGI and WSGI apps cannot tell `X_Forwarded_For` from `X-Forwarded-For`, so neither may the
    /// rules that strip what a client must not say.
    /// - Returns: the field, and whether it was spelled with `_`.
    static func find(_ name: Slice<UnsafeRawBufferPointer>) -> (field: FieldName, isSpelledExactly: Bool)? {
        guard let first = name.first, name.count <= FieldNameTable.longest else { return nil }
        var index = FieldNameTable.shared.first(count: name.count, byte: first)
        candidates: while index >= 0 {
            let candidate = FieldNameTable.shared.entries[index]
            index = candidate.next
            var isSpelledExactly = true
            for offset in 0..<name.count {
                var byte = ByteClass.lowercased(name[name.startIndex + offset])
                if byte == 0x5F {
                    byte = 0x2D
                    isSpelledExactly = false
                }
                if byte != candidate.bytes[offset] { continue candidates }
            }
            return (candidate.field, isSpelledExactly)
        }
        return nil
    }
}
