// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sandbox

struct DenialRecordTests {
    private func bytes(_ magic: UInt32 = 0x4E44_5050, call: UInt32, count: UInt64) -> [UInt8] {
        withUnsafeBytes(of: (magic, call, count)) { Array($0) }
    }

    @Test func recordsAreReadOneAfterTheOther() {
        let two = bytes(call: 165, count: 3) + bytes(call: .max, count: 0)
        #expect(
            DenialRecord.records(in: two) == [DenialRecord(call: 165, count: 3), DenialRecord(call: nil, count: 0)])
        #expect(DenialRecord.records(in: []).isEmpty)
    }

    @Test func whatIsNoRecordIsPassedOver() {
        let good = bytes(call: 1, count: 1)
        for bad in [
            bytes(1, call: 1, count: 1), bytes(call: 1_024, count: 1), bytes(call: 1, count: 0),
            bytes(call: 1, count: .max),
        ] {
            #expect(DenialRecord.records(in: bad + good) == [DenialRecord(call: 1, count: 1)])
        }
        #expect(DenialRecord.records(in: Array(good.dropLast())).isEmpty)
    }
}
