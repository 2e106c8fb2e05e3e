// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sandbox

struct LandlockTests {
    private static let view: [Mount] = [
        .bind(source: "/usr", target: "/usr", options: [.readOnly, .recursive]),
        .bind(source: "/etc/rpc", target: "/etc/rpc", options: [.readOnly, .noExecution, .optional]),
        .bind(source: "/srv", target: "/data", options: []),
        .temporary(target: "/tmp", sizeBytes: 1, mode: 0o1777, options: .noExecution),
        .symbolicLink(target: "/bin", text: "usr/bin"), .file(target: "/etc/hosts", contents: ""),
        .processes(target: "/proc"), .devices(target: "/dev", sharedMemoryBytes: 1),
        .disk(image: "/srv/disk", target: "/limited", growingTo: 0, options: .noExecution),
    ]

    private func rights(_ path: String, abi: Int = 7) -> Landlock.FileRights? {
        Landlock(abi: abi, mounts: Self.view, port: 80).paths.first { $0.path == path }?.rights
    }

    @Test func rulesAllowWhatTheViewIsFor() {
        #expect(rights("/") == .readDirectory)
        #expect(rights("/usr") == [.readFile, .readDirectory, .execute])
        #expect(rights("/etc/rpc") == [.readFile, .readDirectory])
        #expect(rights("/etc/hosts") == .readFile)
        #expect(rights("/data")?.isSuperset(of: [.execute, .writeFile, .refer, .truncate]) == true)
        #expect(rights("/tmp")?.isSuperset(of: [.writeFile, .refer]) == true)
        #expect(rights("/tmp")?.contains(.execute) == false)
        #expect(rights("/limited") == rights("/tmp"))
        #expect(rights("/dev/shm")?.contains(.execute) == false)
        #expect(rights("/proc") == [.readFile, .readDirectory, .writeFile, .truncate])
        #expect(rights("/bin") == nil)
    }

    @Test func noRuleAllowsADeviceFileOrControlOfADevice() {
        for rule in Landlock(abi: 7, mounts: Self.view, port: 80).paths {
            #expect(rule.rights.isDisjoint(with: [.makeCharacterDevice, .makeBlockDevice, .deviceControl]))
        }
    }

    @Test(arguments: [2, 3, 4, 5, 6, 7, 99])
    func noRuleNamesARightThatTheABIDoesNotHandle(abi: Int) {
        let landlock = Landlock(abi: abi, mounts: Self.view, port: 80)
        #expect(landlock.paths.allSatisfy { landlock.handledFiles.isSuperset(of: $0.rights) })
        #expect(landlock.handledFiles.contains(.truncate) == (abi >= 3))
        #expect(landlock.handlesBind == (abi >= 4))
        #expect(landlock.handledFiles.contains(.deviceControl) == (abi >= 5))
        #expect(landlock.isScoped == (abi >= 6))
    }

    @Test func withoutAPortTCPIsLeftAlone() {
        #expect(!Landlock(abi: 7, mounts: Self.view, port: nil).handlesBind)
    }
}
