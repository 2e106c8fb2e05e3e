// SPDX-License-Identifier: Apache-2.0

internal import PaaSClient
internal import PaaSModel

/// Prints log lines; when following, over any number of connections without a line lost or doubled.
struct LogPrinter: Sendable {
    let app: String
    let parameters: LogParameters
    let json: Bool

    /// Prints until the end, or for ever when following.
    ///
    /// - Throws: `ClientError` or `CommandFailure` from the first connection; later ones are tried again.
    func run(_ client: PaaSClient) async throws {
        let output = OutputStream.standard
        let (style, isTerminal) = (Style.of(output), output.isTerminal)
        var resumption = LogResumption(parameters)
        var lines = try await namingApp(app, client) { try await client.logs(app, parameters) }
        while true {
            do {
                for try await line in lines {
                    guard resumption.isNew(line) else { continue }
                    output.write(
                        json
                            ? try JSONOutput.line(line)
                            : LogFormatter.text(line, isTerminal: isTerminal, style: style) + "\n")
                }
                guard parameters.follow else { return }
            } catch let error as ClientError where error.isTransient && parameters.follow {
                // The same as an end without an error: the control plane or the agent is being restarted.
            }
            lines = try await reconnect(client, &resumption)
        }
    }

    private func reconnect(
        _ client: PaaSClient, _ resumption: inout LogResumption
    ) async throws -> NDJSONStream<LogLine> {
        var pause = Duration.milliseconds(200)
        var hasTold = false
        while true {
            try await Task.sleep(for: pause)
            do {
                return try await namingApp(app, client) { try await client.logs(app, resumption.resume()) }
            } catch let error as ClientError where error.isTransient {
                if !hasTold {
                    OutputStream.error.write("paas: \(DisplayText.escaped(error.description)); trying again\n")
                }
                hasTold = true
                pause = min(pause * 2, .seconds(5))
            }
        }
    }
}
