// SPDX-License-Identifier: Apache-2.0

/// A size of a terminal, in characters.
public struct TerminalSize: Codable, Hashable, Sendable {
    /// 1 to 65535.
    public var columns: UInt16
    /// 1 to 65535.
    public var rows: UInt16

    /// Creates a size.
    public init(columns: UInt16, rows: UInt16) {
        self.columns = columns
        self.rows = rows
    }
}

/// What somebody wants to run beside an app: in a running instance, or in a fresh sandbox of the release.
public struct SessionRequest: Codable, Hashable, Sendable {
    /// Media type of the bodies: a sequence of ``SessionFrame``.
    public static let mediaType = "application/vnd.mini-paas.session"

    /// Program and arguments; no shell.
    public var command: [String]
    /// `web.2`, for a command in a running instance; nil is the first that runs.
    public var instance: String?
    /// The size of the terminal to give to the command; nil gives it pipes.
    public var terminal: TerminalSize?
    /// Variables in addition to the app's, `TERM` among them.
    public var env: [String: String]?

    /// Creates a request.
    public init(
        command: [String], instance: String? = nil, terminal: TerminalSize? = nil, env: [String: String]? = nil
    ) {
        self.command = command
        self.instance = instance
        self.terminal = terminal
        self.env = env
    }

    /// What may be written down of the command: its program. Arguments may hold secrets.
    public var program: String { String((command.first ?? "").prefix(200)) }

    /// Checks every field.
    ///
    /// - Throws: `ValidationError` that names the field.
    public func validate() throws {
        try Command.exec(command).validate()
        if let instance, !(1...80).contains(instance.utf8.count) {
            throw ValidationError(field: "instance", message: "is not the name of an instance such as web.1")
        }
        if let terminal, terminal.columns == 0 || terminal.rows == 0 {
            throw ValidationError(field: "terminal", message: "has no columns or no rows")
        }
        // The same rules as for an app's own variables.
        try ReleaseSpec(command: .shell("true"), env: env ?? [:]).validate()
    }
}

/// The command runs.
public struct SessionStart: Codable, Hashable, Sendable {
    /// Where: `web.1`, or `run.1234` for a sandbox of its own.
    public var instance: String
    /// The release, `v1`.
    public var release: String

    /// Creates a start.
    public init(instance: String, release: String) {
        self.instance = instance
        self.release = release
    }
}

/// How a command ended, in the codes of `podman exec`: the command's own, 128 + signal, 127 not found, 126 cannot be
/// executed, 125 anything else that kept it from running to its end.
public struct SessionEnd: Codable, Hashable, Sendable {
    /// The platform's own failure.
    public static let failureCode: Int32 = 125

    /// 0 to 255.
    public var code: Int32
    /// One sentence where the code is not the command's own.
    public var message: String?

    /// Creates an end.
    public init(code: Int32, message: String? = nil) {
        self.code = code
        self.message = message
    }

    /// A failure of the platform.
    public static func failure(_ message: String) -> SessionEnd { SessionEnd(code: failureCode, message: message) }
}

/// First frame of a session between the control plane and an agent.
public struct SessionOrder: Codable, Hashable, Sendable {
    /// Where the command runs.
    public enum Place: String, Codable, Hashable, Sendable {
        /// In a running instance.
        case instance
        /// In a fresh sandbox.
        case sandbox
    }

    /// Where the command runs.
    public var place: Place
    /// What was asked for.
    public var request: SessionRequest
    /// For a fresh sandbox the release; for a running instance only whose it is counts.
    public var assignment: Assignment

    /// Creates an order.
    public init(place: Place, request: SessionRequest, assignment: Assignment) {
        self.place = place
        self.request = request
        self.assignment = assignment
    }
}
