// SPDX-License-Identifier: Apache-2.0

/// What a token opens: `admin`, `deploy:APP` or `read`.
public enum TokenScope: Hashable, Sendable {
    /// Everything.
    case admin
    /// Create, change and watch one app by its name, and upload bundles; not destroy it.
    case deploy(AppName)
    /// Look at everything but bundles and tokens; change nothing.
    case read
}

extension TokenScope: Codable, CustomStringConvertible {
    /// Reads `admin`, `deploy:APP` or `read`.
    ///
    /// - Throws: `ValidationError` for field `scope`.
    public init(validating text: String) throws {
        switch text {
        case "admin": self = .admin
        case "read": self = .read
        default:
            let words = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard words.count == 2, words[0] == "deploy", let app = AppName(rawValue: String(words[1])) else {
                throw ValidationError(
                    field: "scope", message: "'\(text.prefix(80))' is not 'admin', 'deploy:APP' or 'read'")
            }
            self = .deploy(app)
        }
    }

    /// The wire form.
    public var description: String {
        switch self {
        case .admin: "admin"
        case .deploy(let app): "deploy:\(app)"
        case .read: "read"
        }
    }

    public init(from decoder: any Decoder) throws {
        try self.init(validating: decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// A token as the API shows it: everything but its secret, which nobody can show again.
public struct Token: Codable, Hashable, Sendable {
    /// Identity, which is also the part of the secret that is not secret.
    public var id: String
    /// What people call it: 1 to 63 of `a-z`, `0-9` and `-`, unique among the tokens there are.
    public var name: String
    /// What it opens.
    public var scope: TokenScope
    /// When it was made.
    public var createdAt: Timestamp
    /// From when on it opens nothing; nil is never.
    public var expiresAt: Timestamp?

    /// Creates a view.
    public init(id: String, name: String, scope: TokenScope, createdAt: Timestamp, expiresAt: Timestamp?) {
        self.id = id
        self.name = name
        self.scope = scope
        self.createdAt = createdAt
        self.expiresAt = expiresAt
    }
}

/// Body of `POST /tokens`.
public struct TokenRequest: Codable, Hashable, Sendable {
    /// Names of all fields, for the check that a body has no unknown one.
    public static let fieldNames: Set<String> = ["name", "scope", "expiresInSeconds"]
    /// Longest life that can be asked for: ten years.
    public static let maxLifeSeconds: Int64 = 315_360_000

    /// See ``Token/name``.
    public var name: String
    /// What it shall open.
    public var scope: TokenScope
    /// Life in seconds, 1 to ten years; nil is for ever.
    public var expiresInSeconds: Int64?

    /// Creates a request.
    public init(name: String, scope: TokenScope, expiresInSeconds: Int64?) {
        self.name = name
        self.scope = scope
        self.expiresInSeconds = expiresInSeconds
    }
}

/// Answer of `POST /tokens`: the one time that the secret is shown.
public struct CreatedToken: Codable, Hashable, Sendable {
    /// The token.
    public var token: Token
    /// What goes behind `Authorization: Bearer`.
    public var secret: String

    /// Creates an answer.
    public init(token: Token, secret: String) {
        self.token = token
        self.secret = secret
    }
}
