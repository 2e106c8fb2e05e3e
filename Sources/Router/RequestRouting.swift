// SPDX-License-Identifier: Apache-2.0

import PaaSModel

/// A request for an app, as the app will see it.
struct AppRequest: Equatable {
    /// The request target in origin form (or `*`), percent-encoding untouched.
    enum Target: Equatable {
        case text(String)
        /// So many bytes at the end of the target that the client sent.
        case end(count: Int)
    }

    /// The app's name.
    var app: String
    var target: Target
    /// `/apps/NAME` when the app was found by path; nil when by host.
    var prefix: String?
    /// The authority that the client used, for Host and X-Forwarded-Host; empty when it named none.
    var authority: String
}

/// Where a request goes.
enum Destination: Equatable {
    case app(AppRequest)
    /// `/apps/NAME` lacks its slash: relative links would point beside the app.
    case redirect(to: String)
    /// The router's own front page, also for `OPTIONS *`.
    case frontPage
    /// Nothing is served there.
    case nowhere
}

/// Decides from request target and Host alone where a request goes.
enum RequestRouting {
    private static let pathPrefix = "/apps/"
    private static let hostSuffix = ".localhost"

    /// Routes one request.
    ///
    /// - Parameters:
    ///   - method: as on the wire.
    ///   - target: origin form, absolute form, or `*`; printable ASCII without `#`.
    ///   - host: the Host field; ignored when the target is in absolute form (RFC 9112 §3.2.2).
    /// - Throws: ``FramingError`` when target or host cannot be understood.
    static func destination(method: String, target: String, host: String?) throws(FramingError) -> Destination {
        guard method != "CONNECT" else {
            throw FramingError(status: 405, detail: "CONNECT is for forward proxies; this is a reverse proxy.")
        }
        let hostAuthority = try host.map { text throws(FramingError) in try Authority(text) }
        if target == "*" {
            guard method == "OPTIONS" else { throw .malformed("The target '*' is for OPTIONS only.") }
            guard let app = hostAuthority?.appName else { return .frontPage }
            return .app(AppRequest(app: app, target: .text("*"), prefix: nil, authority: host ?? ""))
        }
        if target.utf8.first == UInt8(ascii: "/") {
            return try route(target: target, authority: hostAuthority)
        }
        let (authority, path) = try splitAbsolute(target)
        return try route(target: path, authority: authority)
    }

    private static func route(target: String, authority: Authority?) throws(FramingError) -> Destination {
        let text = authority?.text ?? ""
        if let authority, authority.host.hasSuffix(hostSuffix) {
            guard let app = authority.appName else { return .nowhere }
            return .app(AppRequest(app: app, target: .text(target), prefix: nil, authority: text))
        }
        let path = target.prefix { $0 != "?" }
        if path == "/" { return .frontPage }
        guard target.hasPrefix(pathPrefix) else { return .nowhere }
        let rest = target.dropFirst(pathPrefix.count)
        let segment = rest.prefix { $0 != "/" && $0 != "?" }
        guard let app = AppName(rawValue: try decode(segment)) else { return .nowhere }
        let prefix = pathPrefix + app.rawValue
        let remainder = rest.dropFirst(segment.count)
        guard remainder.first == "/" else { return .redirect(to: "\(prefix)/\(remainder)") }
        return .app(
            AppRequest(app: app.rawValue, target: .text(String(remainder)), prefix: prefix, authority: text))
    }

    /// `http://authority/path?query`, where the path may be empty.
    private static func splitAbsolute(_ target: String) throws(FramingError) -> (Authority, String) {
        guard let scheme = ["http://", "https://"].first(where: { target.prefix($0.count).lowercased() == $0 }) else {
            throw .malformed("The request target is neither a path nor an http URL.")
        }
        let rest = target.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        guard !authority.isEmpty else { throw .malformed("The request target names no host.") }
        let path = rest.dropFirst(authority.count)
        return (try Authority(String(authority)), path.first == "/" ? String(path) : "/" + path)
    }

    /// Percent-decoding of an app's name: `%` needs two hexadecimal digits; the name's own rules do the rest.
    private static func decode(_ segment: Substring) throws(FramingError) -> String {
        guard segment.contains("%") else { return String(segment) }
        var bytes: [UInt8] = []
        var rest = Array(segment.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(ByteClass.hexValue),
                let low = rest.popFirst().flatMap(ByteClass.hexValue)
            else { throw .malformed("The app's name has a '%' without two hexadecimal digits.") }
            bytes.append(high << 4 | low)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A host with an optional port, as in the Host field.
struct Authority: Equatable {
    /// As the client wrote it.
    let text: String
    /// Lower case, without port and final dot. An IPv6 address keeps its brackets.
    let host: String

    /// Checks the syntax (RFC 3986 §3.2.2, without user information); an empty text is a valid, unnamed authority.
    init(_ text: String) throws(FramingError) {
        self.text = text
        var name = text[...]
        let isBracketed = text.hasPrefix("[")
        let portStart = isBracketed ? text.firstIndex(of: "]").map(text.index(after:)) : text.firstIndex(of: ":")
        if isBracketed, portStart == nil { throw Self.malformed }
        if let portStart, portStart < text.endIndex {
            let port = text[portStart...].utf8
            guard port.first == UInt8(ascii: ":"), port.count <= 6, port.dropFirst().allSatisfy(ByteClass.isDigit)
            else { throw Self.malformed }
            name = text[..<portStart]
        }
        let isValid = name.utf8.allSatisfy { byte in
            let isNamePart = ByteClass.isToken(byte) || byte == UInt8(ascii: "%")
            return isBracketed ? isNamePart || byte == 0x3A || byte == 0x5B || byte == 0x5D : isNamePart
        }
        guard isValid, text.isEmpty || !name.isEmpty, name.utf8.count <= 255 else { throw Self.malformed }
        let lower = name.lowercased()
        host = lower.hasSuffix(".") ? String(lower.dropLast()) : lower
    }

    /// The app that `NAME.localhost` names.
    var appName: String? {
        guard host.hasSuffix(".localhost") else { return nil }
        return AppName(rawValue: String(host.dropLast(".localhost".count)))?.rawValue
    }

    private static let malformed = FramingError.malformed("The Host field is malformed.")
}
