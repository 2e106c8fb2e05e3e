// SPDX-License-Identifier: Apache-2.0

import PaaSClient
import PaaSModel
import Testing

@testable import paas

@Suite struct LogResumptionTests {
    private func line(_ milliseconds: Int64, _ text: String) -> LogLine {
        LogLine(
            time: Timestamp(microseconds: milliseconds * 1000), stream: .stdout, instance: "web.1", release: "v1",
            text: text)
    }

    @Test func linesOfTheLastMillisecondAreNeitherLostNorDoubled() {
        var resumption = LogResumption(LogParameters())
        #expect([line(1, "a"), line(2, "b"), line(2, "b")].allSatisfy { resumption.isNew($0) })
        #expect(resumption.resume().since == Timestamp(microseconds: 2000))
        // The next connection begins with the whole millisecond, of which a third line is new.
        let again = [line(2, "b"), line(2, "b"), line(2, "b"), line(3, "c")].filter { resumption.isNew($0) }
        #expect(again.map(\.text) == ["b", "c"])
    }

    @Test func secondInterruptionInTheSameMillisecondStillKnowsAll() {
        var resumption = LogResumption(LogParameters())
        _ = resumption.isNew(line(2, "a"))
        _ = resumption.resume()
        #expect([line(2, "a"), line(2, "b")].filter { resumption.isNew($0) }.map(\.text) == ["b"])
        _ = resumption.resume()
        #expect([line(2, "a"), line(2, "b"), line(2, "c")].filter { resumption.isNew($0) }.map(\.text) == ["c"])
    }

    @Test func beforeTheFirstLineTheQuestionStaysAsItWas() {
        var parameters = LogParameters()
        parameters.limit = 5
        parameters.follow = true
        var resumption = LogResumption(parameters)
        #expect(resumption.resume() == parameters)
        _ = resumption.isNew(line(1, "a"))
        #expect(resumption.resume().follow)
        #expect(resumption.resume().limit == 10_000)
    }
}
