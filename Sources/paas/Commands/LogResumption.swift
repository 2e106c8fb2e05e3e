// SPDX-License-Identifier: Apache-2.0

internal import PaaSClient
internal import PaaSModel

/// Remembers where a stream of log lines was, so that the next connection goes on behind it.
///
/// Times have milliseconds on the wire, and several lines may share one: the next connection asks from the last time
/// on, and skips the lines of that time that were seen.
struct LogResumption {
    private let original: LogParameters
    private var lastTime: Timestamp?
    private var seenAtLastTime: [LogLine] = []
    private var toSkip: [LogLine] = []

    init(_ parameters: LogParameters) { original = parameters }

    /// The line has not been seen; remembers it.
    mutating func isNew(_ line: LogLine) -> Bool {
        if let index = toSkip.firstIndex(of: line) {
            toSkip.remove(at: index)
            return false
        }
        if line.time != lastTime {
            lastTime = line.time
            seenAtLastTime = []
        }
        seenAtLastTime.append(line)
        return true
    }

    /// Parameters of the next connection.
    mutating func resume() -> LogParameters {
        guard let lastTime else { return original }
        toSkip = seenAtLastTime
        var parameters = original
        parameters.since = lastTime
        parameters.limit = 10_000
        return parameters
    }
}
