// SPDX-License-Identifier: Apache-2.0

/// Where an app's lines are sent to, beside being kept.
public enum LogDrainAddress: Hashable, Sendable, LosslessStringConvertible {
    /// Nowhere, also where the node has a default.
    case none
    /// Syslog (RFC 5424) over TCP, each message with its length in front (RFC 6587).
    case syslogTCP(host: String, port: Int)
    /// Syslog over UDP (RFC 5426).
    case syslogUDP(host: String, port: Int)
    /// Syslog in datagrams to a Unix socket.
    case syslogUnix(path: String)
    /// `POST` of NDJSON.
    case http(url: String)

    /// Reads `none`, `syslog+tcp://HOST:PORT`, `syslog+udp://HOST:PORT`, `syslog+unix:///PATH` or `http(s)://…`; nil for
    /// anything else.
    public init?(_ text: String) {
        guard text.utf8.count <= 1_000, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
        if text == "none" {
            self = .none
        } else if text.hasPrefix("http://") || text.hasPrefix("https://"), !text.hasSuffix("://") {
            self = .http(url: text)
        } else if text.hasPrefix("syslog+unix:///") {
            let path = String(text.dropFirst("syslog+unix://".count))
            guard (2...107).contains(path.utf8.count) else { return nil }
            self = .syslogUnix(path: path)
        } else if let (host, port) = Self.place(text, "syslog+tcp://") {
            self = .syslogTCP(host: host, port: port)
        } else if let (host, port) = Self.place(text, "syslog+udp://") {
            self = .syslogUDP(host: host, port: port)
        } else {
            return nil
        }
    }

    /// `HOST:PORT`; an address of IPv6 is in brackets.
    private static func place(_ text: String, _ scheme: String) -> (String, Int)? {
        guard text.hasPrefix(scheme), let colon = text.lastIndex(of: ":"),
            let port = Int(text[text.index(after: colon)...]), (1...65_535).contains(port)
        else { return nil }
        var host = text[text.index(text.startIndex, offsetBy: scheme.count)..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        return host.isEmpty || host.contains("/") ? nil : (String(host), port)
    }

    public var description: String {
        func place(_ host: String, _ port: Int) -> String {
            host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
        switch self {
        case .none: return "none"
        case .syslogTCP(let host, let port): return "syslog+tcp://" + place(host, port)
        case .syslogUDP(let host, let port): return "syslog+udp://" + place(host, port)
        case .syslogUnix(let path): return "syslog+unix://" + path
        case .http(let url): return url
        }
    }
}
