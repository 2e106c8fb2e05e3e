// SPDX-License-Identifier: Apache-2.0

import PaaSClient
import PaaSModel
import Testing

@testable import paas

@Suite struct LogResumptionTests {
    private func line(_ cursor: String?) -> LogLine {
        var line = LogLine(
            time: Timestamp(microseconds: 0), stream: .stdout, instance: "web.1", release: "v1", text: "text")
        line.cursor = cursor
        return line
    }

    @Test func theNextConnectionGoesOnBehindTheLastLine() {
        var parameters = LogParameters()
        parameters.follow = true
        parameters.grep = "x"
        var resumption = LogResumption(parameters)
        #expect(resumption.next.cursors)
        #expect(resumption.next.after == nil)
        resumption.note(line("a/1.10"))
        resumption.note(line("a/1.20"))
        #expect(resumption.next.after == "a/1.20")
        #expect(resumption.next.grep == "x" && resumption.next.follow)
    }

    @Test func cursorsAreAskedForWhereTheyAreOfUse() {
        #expect(!LogResumption(LogParameters()).next.cursors)
    }
}
