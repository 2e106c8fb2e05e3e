// SPDX-License-Identifier: Apache-2.0

/// Where an agent answers: `unix:/run/mini-paas/agent.sock` or `http://10.0.0.2:7071`.
enum AgentAddress: Hashable, Sendable {
    case unixSocket(path: String)
    case http(authority: String)

    /// Nil for anything else.
    init?(_ text: String) {
        if text.hasPrefix("unix:/"), text.utf8.count <= 4_096, !text.utf8.contains(0) {
            self = .unixSocket(path: String(text.dropFirst("unix:".count)))
        } else if text.hasPrefix("http://") {
            let authority = text.dropFirst("http://".count)
            let allowed = authority.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x2F && $0 != 0x40 && $0 != 0x3F }
            guard !authority.isEmpty, authority.utf8.count <= 255, allowed else { return nil }
            self = .http(authority: String(authority))
        } else {
            return nil
        }
    }

    /// The URL of a path on the agent, as AsyncHTTPClient reads it.
    ///
    /// - Parameter pathAndQuery: begins with `/`, already percent-encoded.
    func url(_ pathAndQuery: String) -> String {
        switch self {
        case .http(let authority): "http://\(authority)\(pathAndQuery)"
        case .unixSocket(let path): "http+unix://\(PercentEncoding.encode(path))\(pathAndQuery)"
        }
    }
}

/// RFC 3986 percent-encoding of everything but unreserved characters.
enum PercentEncoding {
    static func encode(_ text: String) -> String {
        text.utf8.map { byte in
            let isLetterOrDigit =
                (0x61...0x7A).contains(byte) || (0x41...0x5A).contains(byte) || (0x30...0x39).contains(byte)
            if isLetterOrDigit || [0x2D, 0x2E, 0x5F, 0x7E].contains(byte) { return String(UnicodeScalar(byte)) }
            let digits = String(byte, radix: 16, uppercase: true)
            return "%" + (digits.count == 1 ? "0" : "") + digits
        }.joined()
    }
}
