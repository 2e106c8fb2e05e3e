// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import PaaSModel

/// An answer that the router gives itself: a page for people, a problem document (RFC 9457) for programs.
struct OwnPage: Equatable {
    /// HTTP status.
    var status: Int
    /// Last part of the problem's type, `/problems/app-not-found`.
    var kind: String
    /// A few words.
    var title: String
    /// What happened, in a sentence or two.
    var detail: String
    /// Commands that lead on.
    var commands: [String] = []
    /// Seconds after which it is worth asking again; a browser does so by itself.
    var retryAfter: Int?
    /// Where the resource is instead.
    var location: String?

    /// The reason phrase of the status.
    var reason: String { Self.reasons[status] ?? "Error" }

    private static let reasons = [
        200: "OK", 204: "No Content", 308: "Permanent Redirect", 400: "Bad Request", 404: "Not Found",
        405: "Method Not Allowed", 408: "Request Timeout", 414: "URI Too Long", 417: "Expectation Failed",
        431: "Request Header Fields Too Large", 501: "Not Implemented", 502: "Bad Gateway",
        503: "Service Unavailable", 504: "Gateway Timeout", 505: "HTTP Version Not Supported",
    ]

    /// The page as HTML, everything from outside escaped.
    func html() -> String {
        let note = retryAfter == nil ? "" : "<p>This page tries again by itself.</p>\n"
        let refresh = retryAfter.map { "<meta http-equiv=\"refresh\" content=\"\($0)\">" } ?? ""
        let list = commands.map { "<pre>\(Self.escaped($0))</pre>" }.joined(separator: "\n")
        let title = Self.escaped(title)
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            \(refresh)<title>\(title)</title>
            <style>
            :root { color-scheme: light dark }
            body { font: 1rem/1.5 system-ui, sans-serif; max-width: 38rem; margin: 15vh auto 0; padding: 0 1rem }
            h1 { font-size: 1.4rem; margin: 0 0 .5rem }
            pre { font: .95rem ui-monospace, monospace; padding: .5rem .75rem; border: 1px solid #8884; margin: .5rem 0 }
            footer { margin-top: 2rem; font-size: .85rem; opacity: .7 }
            </style>
            </head>
            <body>
            <h1>\(title)</h1>
            <p>\(Self.escaped(detail))</p>
            \(note)\(list)
            <footer>\(status == 200 ? "" : "\(status) ")Mini PaaS router</footer>
            </body>
            </html>

            """
    }

    /// The page as a problem document.
    func problem() -> Problem {
        let hint = commands.isEmpty ? "" : " Try: " + commands.joined(separator: "; ") + "."
        return Problem(type: "/problems/\(kind)", title: title, status: status, detail: detail + hint)
    }

    /// The media type of ``json()``.
    var jsonType: String { status < 400 ? "application/json" : "application/problem+json" }

    /// The page for programs: a problem document, or for the front page a plain object.
    func json() -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Strings and an integer always encode.
        let data =
            status < 400
            ? try? encoder.encode(Notice(title: title, detail: detail, see: location.map { [$0] } ?? commands))
            : try? encoder.encode(problem())
        return Array(data ?? Data()) + [0x0A]
    }

    private struct Notice: Encodable {
        var title: String
        var detail: String
        var see: [String]
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
