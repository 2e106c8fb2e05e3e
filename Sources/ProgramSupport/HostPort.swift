// SPDX-License-Identifier: Apache-2.0

public import PaaSModel

/// An address to listen on or connect to, written `127.0.0.1:7070`, `localhost:80` or `[::1]:80`.
public struct HostPort: Hashable, Sendable, CustomStringConvertible {
    /// Host name or address, IPv6 without its brackets.
    public let host: String
    /// TCP port, 0 to 65535; 0 lets the kernel choose when listening.
    public let port: Int

    /// Creates an address.
    public init(host: String, port: UInt16) {
        self.host = host
        self.port = Int(port)
    }

    /// Reads an address.
    ///
    /// - Parameters:
    ///   - text: `HOST:PORT`; an IPv6 address stands in brackets.
    ///   - field: what the error calls it, such as `--listen`.
    /// - Throws: `ValidationError` that quotes the text and says what to write.
    public init(validating text: String, field: String) throws(PaaSModel.ValidationError) {
        func invalid(_ why: String) -> PaaSModel.ValidationError {
            PaaSModel.ValidationError(
                field: field,
                message: "'\(text.prefix(80))' \(why); write HOST:PORT, such as 127.0.0.1:7070 or [::1]:7070")
        }
        guard let colon = text.lastIndex(of: ":") else { throw invalid("has no port") }
        var host = text[..<colon]
        let digits = text[text.index(after: colon)...]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") || host.contains("[") || host.contains("]") {
            throw invalid("is not an address; an IPv6 address stands in brackets")
        }
        guard !host.isEmpty else { throw invalid("has no host") }
        guard host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x2F }) else {
            throw invalid("has a character that no host name has")
        }
        let isDecimal = !digits.isEmpty && digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
        guard isDecimal, let port = UInt16(digits) else { throw invalid("has no port between 0 and 65535") }
        self.init(host: String(host), port: port)
    }

    /// The host is this machine's loopback: 127.0.0.0/8, `::1` or `localhost`.
    public var isLoopback: Bool {
        if host == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// `host:port`, IPv6 in brackets.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
