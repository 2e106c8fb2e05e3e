// SPDX-License-Identifier: Apache-2.0

/// What an app runs.
///
/// On the wire a JSON string is a shell command, given to `/bin/sh -c` so that `$PORT` and `&&` work as in a
/// `Procfile`; an array of strings is executed as it is.
public enum Command: Hashable, Sendable {
    /// Text for `/bin/sh -c`.
    case shell(String)
    /// Program and arguments, no shell. Never empty.
    case exec([String])

    /// The argument vector to execute.
    public var argumentVector: [String] {
        switch self {
        case .shell(let text): ["/bin/sh", "-c", text]
        case .exec(let words): words
        }
    }

    /// The command in one line for people.
    public var text: String {
        switch self {
        case .shell(let text): text
        case .exec(let words): words.joined(separator: " ")
        }
    }

    /// Checks the limits of the kernel and of good sense: not empty, no NUL byte, at most 64 KiB.
    ///
    /// - Throws: `ValidationError` for field `command`.
    public func validate() throws {
        let words = argumentVector
        guard case .exec(let list) = self, list.isEmpty || list[0].isEmpty else {
            if case .shell(let text) = self, text.allSatisfy(\.isWhitespace) {
                throw ValidationError(field: "command", message: "is empty; say what to run, such as './server'")
            }
            guard words.allSatisfy({ !$0.utf8.contains(0) }) else {
                throw ValidationError(field: "command", message: "contains a NUL byte")
            }
            guard words.reduce(0, { $0 + $1.utf8.count + 1 }) <= 65_536 else {
                throw ValidationError(field: "command", message: "is longer than 64 KiB; put it into a script")
            }
            return
        }
        throw ValidationError(field: "command", message: "is an empty list; the first element is the program")
    }
}

extension Command: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            self = .shell(text)
        } else {
            self = .exec(try container.decode([String].self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .shell(let text): try container.encode(text)
        case .exec(let words): try container.encode(words)
        }
    }
}
