// SPDX-License-Identifier: Apache-2.0

import Glibc
import PaaSModel
import Testing

@testable import Sandbox

/// Messages of `paas-init` from bytes that may be anything.
struct InitMessageTests {
    private static func words(_ values: [UInt32]) -> [UInt8] {
        values.flatMap { value in withUnsafeBytes(of: value) { Array($0) } }
    }

    private static func record(
        kind: UInt32, code: Int32 = 0, signal: Int32 = 0, core: UInt32 = 0, stage: UInt32 = 0, error: Int32 = 0,
        times: [UInt64] = [1_500, 500, 4_096, 1_000_000, 3_000_000, 1_700_000_000_000_000_000]
    ) -> [UInt8] {
        words([0x5458_5050, 1, 88, kind, UInt32(bitPattern: code), UInt32(bitPattern: signal), core, stage])
            + words([UInt32(bitPattern: error), 0])
            + times.flatMap { value in withUnsafeBytes(of: value) { Array($0) } }
    }

    @Test func recordOfAnExit() throws {
        let record = try #require(ExitRecord(bytes: Self.record(kind: 1, code: 3)))
        #expect(record.outcome == .exited(code: 3))
        #expect(record.userTime == .microseconds(1_500))
        #expect(record.systemTime == .microseconds(500))
        #expect(record.maxResidentBytes == 4_096)
        #expect(record.uptime == .milliseconds(2))
        #expect(record.endedAt.microseconds == 1_700_000_000_000_000)
    }

    @Test func recordsOfASignalAndOfAFailedStart() {
        #expect(
            ExitRecord(bytes: Self.record(kind: 2, signal: SIGSEGV, core: 1))?.outcome
                == .signaled(signal: SIGSEGV, coreDumped: true))
        #expect(
            ExitRecord(bytes: Self.record(kind: 3, stage: 90, error: ENOENT))?.outcome
                == .notStarted(stage: .exec, errno: ENOENT))
    }

    @Test func anythingElseIsNoRecord() {
        let good = Self.record(kind: 1)
        #expect(ExitRecord(bytes: good) != nil)
        var bad: [[UInt8]] = [[], Array(good.dropLast()), good + [0], [UInt8](repeating: 0, count: 88)]
        for offset in [0, 4, 8, 36] {
            var changed = good
            changed[offset] ^= 0xFF
            bad.append(changed)
        }
        bad += [
            Self.record(kind: 0), Self.record(kind: 4), Self.record(kind: 1, code: 256), Self.record(kind: 1, code: -1),
            Self.record(kind: 1, signal: 9), Self.record(kind: 2, signal: 0), Self.record(kind: 2, signal: 65),
            Self.record(kind: 2, code: 1, signal: 9), Self.record(kind: 2, signal: 9, core: 2), Self.record(kind: 3),
            Self.record(kind: 1, times: [0, 0, 0, 2, 1, 0]), Self.record(kind: 1, times: [.max, 0, 0, 0, 0, 0]),
            Self.record(kind: 1, times: [0, 0, 0, 0, .max, 0]),
        ]
        for bytes in bad { #expect(ExitRecord(bytes: bytes) == nil) }
    }

    private static func failure(stage: UInt32, error: Int32, detail: String) -> [UInt8] {
        let text = Array(detail.utf8)
        return words([0x5245_5050, stage, UInt32(bitPattern: error)]) + text
            + [UInt8](repeating: 0, count: 244 - text.count)
    }

    @Test func startFailureIsRead() throws {
        let failure = try StartFailure(bytes: Self.failure(stage: 90, error: EACCES, detail: "./server"))
        #expect(failure == StartFailure(stage: .exec, errno: EACCES, detail: "./server"))
        #expect(failure.description.contains("chmod +x"))
    }

    @Test func anUnknownStageIsKeptAsANumber() throws {
        let failure = try StartFailure(bytes: Self.failure(stage: 4_242, error: 0, detail: ""))
        #expect(failure.stage.rawValue == 4_242)
        #expect(failure.description.contains("4242"))
        #expect(!failure.isPermanent)
    }

    @Test func anythingElseIsNoStartFailure() {
        let good = Self.failure(stage: 90, error: 2, detail: "x")
        for bytes in [[], [1], Array(good.dropLast()), good + good, [UInt8](repeating: 0, count: 256)] {
            #expect(throws: SandboxError.self) { try StartFailure(bytes: bytes) }
        }
    }

    @Test func onlyWhatTheReleaseItselfGetsWrongIsPermanent() {
        #expect(StartFailure(stage: .exec, errno: ENOENT, detail: "x").isPermanent)
        #expect(StartFailure(stage: .appDirectory, errno: EACCES, detail: "/app").isPermanent)
        #expect(!StartFailure(stage: .exec, errno: EAGAIN, detail: "x").isPermanent)
        #expect(!StartFailure(stage: .exec, errno: ENOMEM, detail: "x").isPermanent)
        #expect(!StartFailure(stage: .fork, errno: EAGAIN, detail: "").isPermanent)
        #expect(!StartFailure(stage: .mountBind, errno: ENOENT, detail: "/x").isPermanent)
    }
}
