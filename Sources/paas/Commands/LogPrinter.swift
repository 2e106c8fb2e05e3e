// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import PaaSClient
internal import PaaSModel

/// Prints log lines; when following, over any number of connections without a line lost or doubled.
struct LogPrinter: Sendable {
    let app: String
    let parameters: LogParameters
    let json: Bool
    /// The app's bytes as they are, also on a terminal.
    let raw: Bool

    /// Prints until the end, or for ever when following.
    ///
    /// - Throws: `ClientError` or `CommandFailure` from the first connection; later ones are tried again.
    func run(_ client: PaaSClient) async throws {
        let output = OutputStream.standard
        let (style, isTerminal) = (Style.of(output), output.isTerminal && !raw)
        var resumption = LogResumption(parameters)
        var lines = try await namingApp(app, client) { try await client.logs(app, resumption.next) }
        while true {
            do {
                var iterator = lines.makeAsyncIterator()
                while let batch = try await iterator.nextBatch() {
                    output.write(try batch.flatMap { try bytes(of: $0, isTerminal: isTerminal, style: style) })
                    if let last = batch.last { resumption.note(last) }
                }
                guard parameters.follow else { return }
            } catch let error as ClientError where error.isTransient && parameters.follow {
                // The same as an end without an error: the control plane or the agent is being restarted.
            }
            lines = try await reconnect(client, resumption)
        }
    }

    private func bytes(of line: LogLine, isTerminal: Bool, style: Style) throws -> [UInt8] {
        var line = line
        line.cursor = nil
        if json { return Array(try JSONOutput.line(line).utf8) }
        let text = line.bytes.flatMap { Data(base64Encoded: $0) }.map(Array.init)
        if text != nil { line.text = "" }
        return Array(LogFormatter.text(line, isTerminal: isTerminal, style: style).utf8) + (text ?? []) + [0x0A]
    }

    private func reconnect(
        _ client: PaaSClient, _ resumption: LogResumption
    ) async throws -> NDJSONStream<LogLine> {
        var pause = Duration.milliseconds(200)
        var hasTold = false
        while true {
            try await Task.sleep(for: pause)
            do {
                return try await namingApp(app, client) { try await client.logs(app, resumption.next) }
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
