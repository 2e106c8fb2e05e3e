// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import PaaSModel
import Testing

@testable import Sandbox

/// Images of `/data`, made and mounted by the real `paas-init`.
@Suite(
    .serialized,
    .enabled(if: InitRun.isPossible && DiskSupport.current().obstacle == nil, "needs loop devices, ext4 and e2fsprogs"))
struct InitDiskTests {
    /// A directory with an image, which is removed with it.
    private final class Image {
        let directory: String
        var path: String { directory + "/disk" }

        init(bytes: Int, contents: String? = nil) throws {
            directory = try TemporaryDirectory.make()
            try make(path, bytes: bytes)
            let plan = try SandboxPlanner().diskPlan(image: path, contents: contents, userID: InitRun.userID)
            _ = try finish(plan)
            try #require(chown(path, 0, 0) == 0)
        }

        deinit { TemporaryDirectory.remove(directory) }

        func make(_ path: String, bytes: Int) throws {
            let file = try OwnedDescriptor.open(path, O_RDWR | O_CREAT | O_EXCL)
            try #require(ftruncate(file.rawValue, bytes) == 0)
            try #require(fchown(file.rawValue, InitRun.userID, InitRun.userID) == 0)
        }

        /// A copy of another size; what the tools had to say when that failed.
        func resized(to bytes: Int) throws -> (image: String, complaint: String?) {
            try #require(chmod(path, 0o644) == 0)
            let copy = directory + "/copy"
            unlink(copy)
            try make(copy, bytes: 0)
            let plan = try SandboxPlanner().resizePlan(
                present: path, image: copy, sizeBytes: Int64(bytes), userID: InitRun.userID)
            let run = try InitRun(bytes: plan.encoded(), newNetworkNamespace: plan.namespaces.contains(.network))
            let output = try run.finish()
            return (copy, run.record?.outcome == .exited(code: 0) ? nil : output)
        }

        private func finish(_ plan: RunPlan) throws -> String {
            let run = try InitRun(bytes: plan.encoded(), newNetworkNamespace: plan.namespaces.contains(.network))
            let output = try run.finish()
            try #require(run.record?.outcome == .exited(code: 0), "\(output)")
            return output
        }
    }

    private func run(
        _ script: String, _ image: String, growingTo size: UInt64 = 0, options: Mount.Options = []
    ) throws -> InitRun {
        try InitRun(.shell(script)) { plan in
            plan.mounts = plan.mounts.map { mount in
                mount.target == "/data"
                    ? .disk(image: image, target: "/data", growingTo: size, options: options) : mount
            }
        }
    }

    /// The kernel gives a device free a moment after the last mount of it is gone.
    private func waitUntilFree(_ path: String) throws {
        let start = MonotonicInstant.now
        while try LoopDevice.has(path) {
            try #require(start.duration(to: .now) < .seconds(30), "the loop device is still there")
            usleep(10_000)
        }
    }

    @Test func whatIsWrittenPastTheLimitIsRefusedAndTheRestIsKept() throws {
        let image = try Image(bytes: 16 << 20)
        let text = try run(
            "head -c 64M /dev/zero >/data/big; rm /data/big; echo kept >/data/file; ls -A /data; stat -c '%u %a' /data;"
                + "grep ' /data ' /proc/self/mountinfo", image.path
        ).finish()
        #expect(text.contains("No space left on device"))
        #expect(text.contains("\nfile\n\(InitRun.userID) 700\n"))
        #expect(text.contains("nosuid,nodev") && text.contains("errors=remount-ro"))
        #expect(try run("cat /data/file", image.path).finish() == "kept\n")
        try waitUntilFree(image.path)
    }

    @Test func runsThatLiveTogetherHaveOneFileSystem() throws {
        let image = try Image(bytes: 16 << 20)
        let first = try run("echo one >/data/file; echo ready; sleep 1000", image.path)
        try first.waitForOutput(containing: "ready")
        #expect(try run("cat /data/file; echo two >>/data/file", image.path).finish() == "one\n")
        #expect(try run("cat /data/file", image.path).finish() == "one\ntwo\n")
        #expect(try LoopDevice.has(image.path))
        try first.process.value.send(signal: SIGKILL)
        _ = try first.wait()
        try waitUntilFree(image.path)
    }

    @Test func filesThatThereWereAreTakenAlong() throws {
        let contents = try TemporaryDirectory.make()
        defer { TemporaryDirectory.remove(contents) }
        try TemporaryDirectory.fill(contents + "/data", ["old": "before\n"])
        try #require(chown(contents + "/data/old", InitRun.userID, InitRun.userID) == 0)
        let image = try Image(bytes: 8 << 20, contents: contents + "/data")
        #expect(try run("cat /data/old; echo more >>/data/old; ls -A /data", image.path).finish() == "before\nold\n")
    }

    @Test func aCopyHasAnotherSizeAndTheSameFilesOrIsNotMade() throws {
        let image = try Image(bytes: 16 << 20)
        _ = try run("echo kept >/data/file; head -c 6M /dev/urandom >/data/big", image.path).finish()
        try waitUntilFree(image.path)
        for bytes in [12 << 20, 64 << 20] {
            let (copy, complaint) = try image.resized(to: bytes)
            #expect(complaint == nil)
            var status = stat()
            #expect(stat(copy, &status) == 0 && status.st_size == bytes)
            let text = try run("cat /data/file; ls -A /data; df -B1 --output=size /data | tail -1", copy).finish()
            #expect(text.hasPrefix("kept\nbig\nfile\n"))
            let size = try #require(text.split(whereSeparator: \.isWhitespace).last.flatMap { Int($0) })
            #expect(size > bytes * 3 / 4 && size < bytes)
            try waitUntilFree(copy)
        }
        #expect(try image.resized(to: 4 << 20).complaint?.contains("smaller than minimum") == true)
    }

    @Test(.enabled(if: DiskSupport.current().growsWhileMounted, "needs CAP_SYS_RESOURCE"))
    func aFileSystemGrowsWhileItIsMounted() throws {
        let image = try Image(bytes: 8 << 20)
        let first = try run("echo ready; sleep 1000", image.path)
        try first.waitForOutput(containing: "ready")
        let text = try run(
            "head -c 40M /dev/zero >/data/big && stat -c %s /data/big", image.path, growingTo: 64 << 20
        ).finish()
        #expect(text == "\(40 << 20)\n")
        // A size that is smaller again changes nothing.
        #expect(try run("stat -c %s /data/big", image.path, growingTo: 8 << 20).finish() == "\(40 << 20)\n")
        try first.process.value.send(signal: SIGKILL)
        _ = try first.wait()
        try waitUntilFree(image.path)
    }

    @Test func strictExecutesNothingFromIt() throws {
        let image = try Image(bytes: 4 << 20)
        let script = "printf '#!/bin/sh\\necho ran\\n' >/data/tool; chmod +x /data/tool; /data/tool"
        #expect(try run(script, image.path).finish() == "ran\n")
        #expect(try run(script, image.path, options: .noExecution).finish().contains("Permission denied"))
    }

    @Test func anImageThatIsNotThereOrNoneIsAStartFailure() throws {
        let directory = try TemporaryDirectory.make()
        defer { TemporaryDirectory.remove(directory) }
        let missing = try #require(try run("echo ran", directory + "/none").startFailure())
        #expect(missing.stage == .mountDisk && missing.errno == ENOENT)
        #expect(try #require(try run("echo ran", directory + "/data").startFailure()).stage == .mountDisk)
        try TemporaryDirectory.fill(directory, ["zeros": String(repeating: "\0", count: 1 << 20)])
        #expect(try #require(try run("echo ran", directory + "/zeros").startFailure()).stage == .mountDisk)
        try waitUntilFree(directory + "/zeros")
    }
}
