// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

struct BodyPatienceTests {
    private func at(_ seconds: Int) -> UInt64 { UInt64(seconds) * 1_000_000_000 }

    @Test func silenceMayLastTheFullMeasureAndContentEarnsNoMore() {
        var patience = BodyPatience(.seconds(60), bytesPerSecond: 100)
        patience.earn(1 << 30, at: at(0))
        #expect(patience.wait(at: at(0)) == .seconds(60))
        #expect(patience.wait(at: at(50)) == .seconds(10))
        patience.earn(1 << 30, at: at(59))
        #expect(patience.wait(at: at(59)) == .seconds(60))
    }

    @Test func aTrickleUsesUpWhatItDoesNotEarn() {
        var patience = BodyPatience(.seconds(60), bytesPerSecond: 100)
        for second in 0..<100 {
            _ = patience.wait(at: at(second))
            patience.earn(50, at: at(second + 1))
        }
        #expect(patience.wait(at: at(100)) == .seconds(10))
        #expect(patience.wait(at: at(200)) == .zero)
    }

    @Test func whatEarnsAsMuchAsItTakesGoesOn() {
        var patience = BodyPatience(.seconds(60), bytesPerSecond: 100)
        for minute in 0..<1_000 {
            #expect(patience.wait(at: at(minute * 50)) > .zero)
            patience.earn(5_000, at: at(minute * 50 + 50))
        }
    }

    @Test func theAppsTimeIsNotTheClients() {
        var patience = BodyPatience(.seconds(60), bytesPerSecond: 100)
        _ = patience.wait(at: at(0))
        patience.pause(at: at(10))
        #expect(patience.wait(at: at(1_000)) == .seconds(50))
    }

    @Test func withoutARateEveryByteEarnsAllOfIt() {
        var patience = BodyPatience(.seconds(60), bytesPerSecond: 0)
        _ = patience.wait(at: at(0))
        patience.earn(1, at: at(59))
        #expect(patience.wait(at: at(59)) == .seconds(60))
    }
}
