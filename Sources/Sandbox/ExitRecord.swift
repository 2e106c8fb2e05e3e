// SPDX-License-Identifier: Apache-2.0

public import PaaSModel

/// How a run ended, as `paas-init` wrote it down; also for an agent that was not there when it happened.
public struct ExitRecord: Hashable, Sendable {
    /// How the app's first process ended.
    public enum Outcome: Hashable, Sendable {
        /// It called exit with this code, 0 to 255.
        case exited(code: Int32)
        /// This signal ended it.
        case signaled(signal: Int32, coreDumped: Bool)
        /// It never ran; errno is 0 where the system gave no reason.
        case notStarted(stage: StartStage, errno: Int32)
    }

    /// How it ended.
    public let outcome: Outcome
    /// CPU time in user mode of the first process and the descendants that it waited for.
    public let userTime: Duration
    /// CPU time in the kernel, likewise.
    public let systemTime: Duration
    /// Largest resident set among them, in bytes.
    public let maxResidentBytes: Int64
    /// Start, in nanoseconds of CLOCK_BOOTTIME.
    public let startedBoottimeNanoseconds: UInt64
    /// End, in nanoseconds of CLOCK_BOOTTIME.
    public let endedBoottimeNanoseconds: UInt64
    /// End by the wall clock.
    public let endedAt: Timestamp

    /// Time from start to end, on a clock that nobody sets.
    public var uptime: Duration { .nanoseconds(Int64(endedBoottimeNanoseconds - startedBoottimeNanoseconds)) }

    /// Size of the file in bytes.
    public static let byteCount = 88
    private static let magic: UInt32 = 0x5458_5050

    /// Reads a whole record file. Nil for anything that is not exactly one: an empty file (the run goes on, or
    /// `paas-init` was killed), a part of one, another version, or values that cannot be. Never a made-up status.
    public init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        var reader = RecordReader(bytes)
        let magic = reader.next(UInt32.self)
        let version = reader.next(UInt32.self)
        let size = reader.next(UInt32.self)
        guard magic == Self.magic, version == 1, size == UInt32(Self.byteCount) else { return nil }
        guard let outcome = Self.outcome(&reader) else { return nil }
        self.outcome = outcome
        guard let user = Int64(exactly: reader.next(UInt64.self)),
            let system = Int64(exactly: reader.next(UInt64.self)),
            let resident = Int64(exactly: reader.next(UInt64.self))
        else { return nil }
        self.userTime = .microseconds(user)
        self.systemTime = .microseconds(system)
        self.maxResidentBytes = resident
        self.startedBoottimeNanoseconds = reader.next(UInt64.self)
        self.endedBoottimeNanoseconds = reader.next(UInt64.self)
        let endedRealtime = reader.next(UInt64.self)
        guard startedBoottimeNanoseconds <= endedBoottimeNanoseconds, endedBoottimeNanoseconds <= UInt64(Int64.max)
        else { return nil }
        self.endedAt = Timestamp(microseconds: Int64(endedRealtime / 1000))
    }

    private static func outcome(_ reader: inout RecordReader) -> Outcome? {
        let kind = reader.next(UInt32.self)
        let code = reader.next(Int32.self)
        let signal = reader.next(Int32.self)
        let coreDumped = reader.next(UInt32.self)
        let stage = reader.next(UInt32.self)
        let errno = reader.next(Int32.self)
        let reserved = reader.next(UInt32.self)
        guard reserved == 0, coreDumped <= 1 else { return nil }
        switch kind {
        case 1 where (0...255).contains(code) && signal == 0 && stage == 0: return .exited(code: code)
        case 2 where (1...64).contains(signal) && code == 0 && stage == 0:
            return .signaled(signal: signal, coreDumped: coreDumped == 1)
        case 3 where stage != 0 && code == 0 && signal == 0:
            return .notStarted(stage: StartStage(rawValue: stage), errno: errno)
        default: return nil
        }
    }
}
