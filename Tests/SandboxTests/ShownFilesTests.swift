// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import Testing

@testable import Sandbox

struct ShownFilesTests {
    @Test func replacedFileIsNoticedAndNewContentsOfADirectoryAreNot() throws {
        let directory = try TemporaryDirectory.make()
        defer { TemporaryDirectory.remove(directory) }
        try TemporaryDirectory.fill(directory, ["file": "a", "data/one": "b"])
        var plan = RunPlan(argumentVector: ["/bin/true"], userID: 1_900_000_000, groupID: 1_900_000_000)
        plan.mounts = [
            .bind(source: directory + "/file", target: "/etc/file", options: .readOnly),
            .bind(source: directory + "/data", target: "/usr", options: .readOnly),
            .bind(source: directory + "/absent", target: "/opt", options: [.readOnly, .optional]),
        ]
        let shown = ShownFiles(plan)
        #expect(shown.areCurrent)
        try TemporaryDirectory.fill(directory, ["data/two": "c"])
        #expect(shown.areCurrent)
        try TemporaryDirectory.fill(directory, ["next": "a"])
        try #require(rename(directory + "/next", directory + "/file") == 0)
        #expect(!shown.areCurrent)
        let again = ShownFiles(plan)
        try TemporaryDirectory.fill(directory, ["absent": ""])
        #expect(!again.areCurrent)
    }
}
