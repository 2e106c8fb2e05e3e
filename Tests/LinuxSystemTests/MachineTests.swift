// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import LinuxSystem

/// Counters of the whole machine.
struct MachineTests {
    private let stat =
        "cpu  100 10 50 800 40 5 5 20 7 3\ncpu0 50 5 25 400 20 3 2 10 0 0\ncpu1 50 5 25 400 20 2 3 10 0 0\nintr 5\n"

    @Test func waitingIsNoWorkAndGuestsAreNotCountedTwice() {
        let times = CPUTimes(stat, ticksPerSecond: 100)
        #expect(times?.cores == 2)
        #expect(times?.busy == .milliseconds(1_900))
    }

    @Test(arguments: [
        "", "intr 5\n", "cpu  1 2 3\ncpu0 1 2 3\n", "cpu  1 2 3 4 5 6 7 x\ncpu0 1\n", "cpu0 1 2 3 4 5 6 7 8\n",
    ])
    func aMalformedTableIsNoMachine(text: String) {
        #expect(CPUTimes(text, ticksPerSecond: 100) == nil)
    }

    @Test func memoryIsReadInBytes() {
        let text =
            "MemTotal:  2048 kB\nMemFree: 1 kB\nMemAvailable:  1024 kB\nSwapTotal: 10 kB\nSwapFree: 4 kB\nHugePages_Total: 0\n"
        let info = MemoryInfo(text)
        #expect(info?.totalBytes == 2_097_152)
        #expect(info?.availableBytes == 1_048_576)
        #expect(info?.swapTotalBytes == 10_240)
        #expect(info?.swapFreeBytes == 4_096)
        #expect(MemoryInfo("MemTotal:  2048 kB\n") == nil)
    }

    @Test func thisMachineTells() {
        #expect((CPUTimes.current()?.cores ?? 0) > 0)
        #expect((MemoryInfo.current()?.totalBytes ?? 0) > 0)
    }

    @Test func theLimitOfOpenFilesIsRaised() {
        #expect(OpenFileLimit.raise() >= 1_024)
        #expect(OpenFileLimit.raise() == OpenFileLimit.raise())
    }
}
