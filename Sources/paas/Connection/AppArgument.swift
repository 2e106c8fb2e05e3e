// SPDX-License-Identifier: Apache-2.0

internal import PaaSClient
internal import PaaSModel
internal import ProgramSupport

/// Turns "no such app" into a failure that suggests the name that was probably meant.
///
/// - Throws: what the body throws, or `CommandFailure` with code 4.
func namingApp<Value: Sendable>(
    _ name: String, _ client: PaaSClient, _ body: () async throws -> Value
) async throws -> Value {
    do {
        return try await body()
    } catch ClientError.problem(let problem) where problem.status == 404 && problem.type.hasSuffix("/app-not-found") {
        // The suggestion is a courtesy: when it cannot be had, the answer is the same without it.
        let names = (try? await client.apps())?.map(\.name.rawValue) ?? []
        let hint: String
        if let closest = NameSuggestion.closest(to: name, among: names) {
            hint = "did you mean '\(closest)'?"
        } else {
            hint =
                names.isEmpty
                ? "there are no apps yet; 'paas deploy' makes one" : "'paas status' lists the apps there are"
        }
        throw CommandFailure(.noSuchApp, "there is no app '\(name.prefix(80))'", hint: hint)
    }
}

/// Finds the name that somebody probably meant.
enum NameSuggestion {
    /// The name with the fewest edits, when that is few enough to be a slip; else one that begins with what was typed.
    static func closest(to typed: String, among names: [String]) -> String? {
        let typed = Array(typed.lowercased().utf8.prefix(80))
        guard !typed.isEmpty else { return nil }
        let ranked = names.map { (name: $0, edits: edits(typed, Array($0.utf8))) }.min {
            ($0.edits, $0.name) < ($1.edits, $1.name)
        }
        if let best = ranked, best.edits <= max(1, typed.count / 3) { return best.name }
        return names.sorted().first { $0.utf8.starts(with: typed) }
    }

    /// Levenshtein distance, with an exchange of two neighbours counted as one edit.
    static func edits(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for row in 0..<left.count {
            var current = [row + 1]
            for column in 0..<right.count {
                let cost = left[row] == right[column] ? 0 : 1
                var best = min(last[column] + cost, last[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    best = min(best, beforeLast[column - 1] + 1)
                }
                current.append(best)
            }
            beforeLast = last
            last = current
        }
        return last[right.count]
    }
}
