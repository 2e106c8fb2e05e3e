// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem
internal import Sandbox

/// The system calls that the sandbox has denied an instance: in its present run, and those of any run that no event has
/// told of yet. Written down with the instance. Calls are numbers of this machine.
struct DenialTally: Codable, Hashable, Sendable {
    /// How often since the start of the run.
    private(set) var ofRun: [Int: Int64] = [:]
    /// How often since the last event about the call.
    private(set) var untold: [Int: Int64] = [:]
    /// What is denied in this run cannot be seen.
    private(set) var isUnseen = false

    /// Nothing at all.
    var isEmpty: Bool { ofRun.isEmpty && untold.isEmpty && !isUnseen }

    /// Another run begins; what is untold stays so.
    mutating func beginRun() {
        ofRun = [:]
        isUnseen = false
    }

    /// Takes a record of the present run. One that it has had, by an agent that died before it was taken out of the pipe,
    /// changes nothing.
    mutating func take(_ record: DenialRecord) {
        guard let call = record.call.map(Int.init) else { return isUnseen = true }
        let new = record.count - ofRun[call, default: 0]
        guard new > 0 else { return }
        ofRun[call] = record.count
        untold[call, default: 0] += new
    }

    /// Returns how often a call was denied that nobody has told of, and takes it for told.
    mutating func tell(_ call: Int) -> Int64? { untold.removeValue(forKey: call) }
}

/// How often the denials of one app may become events: each call once in a pause, and so many calls in all. While they go on
/// the pause doubles, up to an hour, or one app would push everybody's events out of the history. Pure.
struct DenialPace: Sendable {
    /// Calls that are told in one pause.
    static let callsInAPause = 16

    /// The longest pause.
    static let longest = Duration.seconds(3_600)

    /// The first pause.
    let pause: Duration
    private var length: Duration
    /// End of the pause that the last event was told in.
    private(set) var end: MonotonicInstant?
    private var told: Set<Int> = []
    /// Which pause each call was last told in, counted from 1.
    private var lastTold: [Int: Int] = [:]
    private var number = 0

    init(pause: Duration) {
        self.pause = pause
        length = pause
    }

    /// Says whether a call may be told of now, and counts it when it may.
    mutating func allows(_ call: Int, at now: MonotonicInstant) -> Bool {
        let sinceEnd = end.map { $0.duration(to: now) }
        if sinceEnd.map({ $0 >= .zero }) ?? true {
            // Quiet for as long as the pause was: from the beginning.
            length = sinceEnd.map { $0 < length } == true ? min(length * 2, max(pause, Self.longest)) : pause
            end = MonotonicInstant(nanoseconds: now.nanoseconds + Int64(length / .nanoseconds(1)))
            told = []
            number += 1
        }
        guard told.count < Self.callsInAPause, told.insert(call).inserted else { return false }
        lastTold[call] = number
        return true
    }

    /// The calls in the order in which they are to be told: first those that never were, then those that were told of longest
    /// ago. So no call is kept from being told by others that come again and again.
    func order(_ calls: Set<Int>) -> [Int] {
        calls.sorted { (lastTold[$0, default: 0], $0) < (lastTold[$1, default: 0], $1) }
    }
}
