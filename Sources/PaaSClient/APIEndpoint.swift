// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials

/// Where a control plane answers: a Unix socket on this machine, or an HTTP(S) address.
public enum APIEndpoint: Hashable, Sendable, CustomStringConvertible {
    /// A socket's path; the caller is known by its peer credentials, no token needed.
    case unix(path: String)
    /// `http://host:port` or `https://host:port`, without a path and without a slash at its end.
    case tcp(base: String)

    /// Reads `unix:/run/paasd.sock`, a plain absolute path, `http://host:port` or `https://host:port`.
    ///
    /// - Throws: `ClientError.invalidEndpoint` that quotes the text and says what to write. A text with a password in
    ///   it is refused and not quoted.
    public init(validating text: String) throws(ClientError) {
        func invalid(_ why: String) -> ClientError {
            .invalidEndpoint(
                "'\(text.prefix(200))' \(why); write an address such as http://127.0.0.1:7070 or unix:/run/paasd.sock")
        }
        if text.hasPrefix("/") || text.hasPrefix("unix:") {
            let path =
                text.hasPrefix("/") ? text : text.hasPrefix("unix://") ? "\(text.dropFirst(7))" : "\(text.dropFirst(5))"
            guard path.hasPrefix("/"), !path.utf8.contains(0) else { throw invalid("does not name an absolute path") }
            // sun_path of a Unix socket address has room for 107 bytes and a NUL, unix(7).
            guard path.utf8.count <= 107 else { throw invalid("is too long for a Unix socket, which takes 107 bytes") }
            self = .unix(path: path)
            return
        }
        guard let components = URLComponents(string: text), let scheme = components.scheme?.lowercased(),
            scheme == "http" || scheme == "https"
        else { throw invalid("is not an http:// or https:// address") }
        guard components.user == nil, components.password == nil else {
            throw .invalidEndpoint("the address has a user or password in it; leave it out and give a token instead")
        }
        guard let host = components.encodedHost, !host.isEmpty else { throw invalid("has no host") }
        guard components.path.isEmpty || components.path == "/", components.query == nil, components.fragment == nil
        else {
            throw invalid("has more than a host and a port")
        }
        self = .tcp(base: "\(scheme)://\(host)\(components.port.map { ":\($0)" } ?? "")")
    }

    /// The address as it is typed: `unix:/run/paasd.sock`, `http://127.0.0.1:7070`.
    public var description: String {
        switch self {
        case .unix(let path): "unix:\(path)"
        case .tcp(let base): base
        }
    }

    /// The URL of a request; `target` begins with a slash and is percent-encoded already.
    func url(_ target: String) -> String {
        switch self {
        case .unix(let path): "http+unix://\(PercentEncoding.component(path))\(target)"
        case .tcp(let base): base + target
        }
    }
}
