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
    func location(_ value: [UInt8]) -> [UInt8] {
        guard let text = String(validating: value, as: UTF8.self) else { return value }
        if text.hasPrefix("/"), !text.hasPrefix("//") { return Array(prefixed(text).utf8) }
        guard let url = splitURL(text) else { return value }
        let path = url.rest.first == "/" ? url.rest : "/" + url.rest
        if isUpstream(url.authority) {
            return Array(((authority.isEmpty ? "" : "\(scheme)://\(authority)") + prefixed(path)).utf8)
        }
        guard !authority.isEmpty, url.authority == authority.lowercased() else { return value }
        return Array((text.dropLast(url.rest.utf8.count) + prefixed(path)).utf8)
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

    private func rewrittenAttribute(_ attribute: ArraySlice<UInt8>) -> [UInt8] {
        guard let equals = attribute.firstIndex(of: UInt8(ascii: "=")),
            attribute[..<equals].trimmed.isCaseInsensitive("path"),
            let path = String(validating: attribute[(equals + 1)...].trimmed, as: UTF8.self), path.hasPrefix("/")
        else { return Array(attribute) }
        return attribute[...equals] + Array(prefixed(path).utf8)
    }

    /// Puts the prefix before a path, unless the app has done so already (it may read X-Forwarded-Prefix).
    private func prefixed(_ path: String) -> String {
        guard let prefix else { return path }
        let rest = path.hasPrefix(prefix) ? path.dropFirst(prefix.count).first : "x"
        switch rest {
        case nil, "/", "?", "#": return path
        default: return prefix + path
        }
    }

    /// Splits `scheme://authority/rest` and `//authority/rest`; the authority in lower case.
    private func splitURL(_ text: String) -> (authority: String, rest: String)? {
        let lower = text.lowercased()
        guard let scheme = ["http://", "https://", "//"].first(where: lower.hasPrefix) else { return nil }
        let afterScheme = text.dropFirst(scheme.count)
        let authority = afterScheme.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        return (authority.lowercased(), String(afterScheme.dropFirst(authority.count)))
    }

    private func isUpstream(_ authority: String) -> Bool {
        guard authority.hasSuffix(":\(upstream.port)") else { return false }
        let host = authority.dropLast(":\(upstream.port)".count)
        return [upstream.host.lowercased(), "localhost", "127.0.0.1", "0.0.0.0", "[::1]"].contains(String(host))
    }
}
