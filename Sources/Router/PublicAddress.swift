// SPDX-License-Identifier: Apache-2.0

/// Turns addresses as an app says them into addresses as its clients must use them.
struct PublicAddress {
    /// `/apps/NAME`, or nil when the app has a host name of its own.
    let prefix: String?
    /// The authority that the client used; empty when it named none.
    let authority: String
    /// `http` or `https`, as the client asked.
    let scheme: StaticString
    /// Where the app listens.
    let upstream: Upstream

    /// Rewrites a Location: a path gets the prefix; a URL of the app's own address becomes a public one. Relative
    /// references and other sites' URLs stay.
    ///
    /// By bytes, as everything here: what is a character may be several of them, and what is no UTF-8 is an address too.
    func location(_ value: [UInt8]) -> [UInt8] {
        if value.first == Self.slash, value.dropFirst().first != Self.slash { return prefixed(value[...]) }
        guard let url = Self.splitURL(value) else { return value }
        let path = url.rest.first == Self.slash ? url.rest : [Self.slash] + url.rest
        if isUpstream(url.authority) {
            return (authority.isEmpty ? [] : Array("\(scheme)://\(authority)".utf8)) + prefixed(path)
        }
        guard !authority.isEmpty, url.authority == authority.utf8.map(ByteClass.lowercased) else { return value }
        return value.dropLast(url.rest.count) + prefixed(path)
    }

    /// Rewrites the Path attributes of a Set-Cookie, so that the cookie stays with the app.
    ///
    /// Without a Path a browser takes the directory of the request, which lies below the prefix already.
    func cookie(_ value: [UInt8]) -> [UInt8] {
        guard prefix != nil else { return value }
        let parts = value.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false)
        var result = Array(parts[0])
        for part in parts.dropFirst() {
            result.append(UInt8(ascii: ";"))
            result += rewrittenAttribute(part)
        }
        return result
    }

    private static let slash = UInt8(ascii: "/")

    private func rewrittenAttribute(_ attribute: ArraySlice<UInt8>) -> [UInt8] {
        guard let equals = attribute.firstIndex(of: UInt8(ascii: "=")),
            attribute[..<equals].trimmed.isCaseInsensitive("path")
        else { return Array(attribute) }
        let path = attribute[(equals + 1)...].trimmed
        guard path.first == Self.slash else { return Array(attribute) }
        return Array(attribute[...equals]) + prefixed(path)
    }

    /// Puts the prefix before a path, unless the app has done so already (it may read X-Forwarded-Prefix).
    private func prefixed(_ path: ArraySlice<UInt8>) -> [UInt8] {
        guard let prefix else { return Array(path) }
        let rest = path.starts(with: prefix.utf8) ? path.dropFirst(prefix.utf8.count).first : UInt8(ascii: "x")
        switch rest {
        case nil, Self.slash, UInt8(ascii: "?"), UInt8(ascii: "#"): return Array(path)
        default: return Array(prefix.utf8) + path
        }
    }

    /// Splits `scheme://authority/rest` and `//authority/rest`; the authority in lower case.
    private static func splitURL(_ url: [UInt8]) -> (authority: [UInt8], rest: ArraySlice<UInt8>)? {
        let schemes: [StaticString] = ["http://", "https://", "//"]
        guard let scheme = schemes.first(where: { url.prefix($0.utf8CodeUnitCount).isCaseInsensitive($0) }) else {
            return nil
        }
        let afterScheme = url.dropFirst(scheme.utf8CodeUnitCount)
        let authority = afterScheme.prefix { $0 != slash && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
        return (authority.map(ByteClass.lowercased), afterScheme[authority.endIndex...])
    }

    private func isUpstream(_ authority: [UInt8]) -> Bool {
        [upstream.host.lowercased(), "localhost", "127.0.0.1", "0.0.0.0", "[::1]"].contains {
            authority == Array("\($0):\(upstream.port)".utf8)
        }
    }
}
