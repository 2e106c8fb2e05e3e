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
