// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird

/// The methods of every path, to tell "no such resource" from "not this method".
struct RouteIndex: Sendable {
    private var entries: [(segments: [Substring], method: String)] = []

    /// Adds a route such as `/apps/:name`.
    mutating func add(_ path: String, _ method: String) {
        entries.append((path.split(separator: "/"), method))
    }

    /// Methods that a path answers, sorted; empty when nothing is there.
    func methods(for path: String) -> [String] {
        let segments = path.split(separator: "/")
        let found = entries.filter { entry in
            entry.segments.count == segments.count
                && zip(entry.segments, segments).allSatisfy { $0.hasPrefix(":") || $0 == $1 }
        }.map(\.method)
        return Set(found.contains("GET") ? found + ["HEAD"] : found).sorted()
    }
}
