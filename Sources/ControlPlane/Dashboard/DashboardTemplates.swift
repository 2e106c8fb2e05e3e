// SPDX-License-Identifier: Apache-2.0

internal import Mustache

/// The dashboard's pages as they are written, compiled into the program.
struct DashboardTemplates: Sendable {
    private static let contentType = "PAAS"
    private let library: MustacheLibrary

    /// All pages; that each of them can be read, a test says.
    static let written: DashboardTemplates = {
        do {
            return try DashboardTemplates()
        } catch {
            preconditionFailure("a page of the dashboard is written wrong: \(error)")
        }
    }()

    private init() throws {
        // Once, before anything is rendered; registering it again changes nothing.
        MustacheContentTypes.register(EscapedHTML(), named: Self.contentType)
        let pages = [
            "layout": PackageResources.layout_mustache, "login": PackageResources.login_mustache,
            "problem": PackageResources.problem_mustache, "apps": PackageResources.apps_mustache,
            "app": PackageResources.app_mustache, "events": PackageResources.events_mustache,
            "nodes": PackageResources.nodes_mustache,
        ]
        library = try MustacheLibrary(
            templates: pages.mapValues { bytes in
                // Each page, because every inclusion of another one falls back to the library's own escaping.
                try MustacheTemplate(
                    string: "{{% CONTENT_TYPE:\(Self.contentType)}}" + String(decoding: bytes, as: UTF8.self))
            })
    }

    /// A page as HTML.
    func page(_ name: String, _ values: Any) -> String { library.render(values, withTemplate: name) ?? "" }
}

/// Escapes by scalars. The library's own HTML escaping goes by characters, and a quote with a combining accent is
/// another character: it came through unescaped and ended the attribute that it stood in.
struct EscapedHTML: MustacheContentType {
    func escapeText(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case "`": result += "&#96;"
            // An end of line in a text area stays one; other controls, and what turns the direction of text round, are
            // shown and not obeyed.
            case "\n", "\t": result.unicodeScalars.append(scalar)
            case "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}": result += "\u{FFFD}"
            default:
                if scalar.properties.generalCategory == .control {
                    result += "\u{FFFD}"
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
        }
        return result
    }
}
