// SPDX-License-Identifier: Apache-2.0

internal import PaaSClient
internal import PaaSModel

/// Remembers where a stream of log lines was, so that the next connection goes on behind it.
struct LogResumption {
    private var parameters: LogParameters

    init(_ parameters: LogParameters) {
        self.parameters = parameters
        if parameters.follow { self.parameters.cursors = true }
    }

    /// Remembers that a line was shown.
    mutating func note(_ line: LogLine) {
        guard let cursor = line.cursor else { return }
        parameters.after = cursor
    }

    /// Parameters of the next connection.
    var next: LogParameters { parameters }
}
