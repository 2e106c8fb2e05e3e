// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import PaaSModel
import Sandbox
import Testing

/// What an app finds itself in. One script a claim, run by the real `paas-init` with the planner's own plan.
@Suite(.serialized, .enabled(if: InitRun.isPossible, InitRun.requirement))
struct InitSandboxTests {
    private func output(_ script: String) throws -> String {
        try InitRun(.shell(script)).finish()
    }

    @Test func everyCapabilitySetIsEmptyAndNoNewPrivilegesIsSet() throws {
        let status = try output("cat /proc/self/status")
        for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            #expect(status.contains("\(name):\t0000000000000000\n"))
        }
        #expect(status.contains("NoNewPrivs:\t1\n"))
        let id = InitRun.userID
        #expect(status.contains("Uid:\t\(id)\t\(id)\t\(id)\t\(id)\n"))
        #expect(status.contains("Gid:\t\(id)\t\(id)\t\(id)\t\(id)\n"))
        #expect(status.contains("Groups:\t \n"))
        #expect(status.contains("SigBlk:\t0000000000000000\n"))
        #expect(status.contains("SigIgn:\t0000000000000000\n"))
    }

    @Test func initItselfHasNoPrivilegesAndCannotBeLookedInto() throws {
        let text = try output("grep -E 'Cap|NoNew|^Uid' /proc/1/status; cat /proc/1/environ; ls -l /proc/1/fd; :")
        #expect(text.contains("CapEff:\t0000000000000000\n"))
        #expect(text.contains("CapBnd:\t0000000000000000\n"))
        #expect(text.contains("NoNewPrivs:\t1\n"))
        #expect(text.contains("Uid:\t\(InitRun.userID)\t"))
        #expect(text.contains("/proc/1/environ: Permission denied"))
        #expect(text.contains("/proc/1/fd': Permission denied"))
    }

    @Test func bundleIsReadOnlyAndDataAndTmpAreWritable() throws {
        let run = try InitRun(
            .shell(
                "pwd; ./tool; echo x >/app/new; echo x >/usr/new; echo x >/etc/new; echo x >/new;"
                    + "echo kept >/data/file && echo t >/tmp/file && cat /data/file /tmp/file"),
            bundleFiles: ["tool": "#!/bin/sh\necho from the bundle\n"])
        let text = try run.finish()
        #expect(text.hasPrefix("/app\nfrom the bundle\n"))
        for path in ["/app/new", "/usr/new", "/etc/new", "/new"] {
            #expect(text.contains("cannot create \(path): Read-only file system"))
        }
        #expect(text.hasSuffix("kept\nt\n"))
        #expect(ProcFS.text(of: run.directory + "/data/file") == "kept\n")
        #expect(access(run.directory + "/file", F_OK) != 0)
    }

    @Test func nothingOfTheHostButProgramsIsVisible() throws {
        let text = try output("ls -A /; echo --; ls -A /var; ls /root /home /run /sys /work /mnt /boot 2>&1; :")
        let root = text.split(separator: "--").first.map { $0.split(separator: "\n").map(String.init) } ?? []
        let allowed: Set<String> = [
            "app", "bin", "data", "dev", "etc", "lib", "lib32", "lib64", "libx32", "opt", "proc", "sbin", "tmp", "usr",
            "var",
        ]
        #expect(Set(root).isSubset(of: allowed), "\(root)")
        #expect(Set(root).isSuperset(of: ["app", "data", "dev", "etc", "proc", "tmp", "usr"]))
        for path in ["root", "home", "run", "sys", "mnt", "boot"] {
            #expect(text.contains("'/\(path)': No such file or directory"))
        }
        #expect(text.contains("--\ntmp\n"))
        let passwd = try output(
            "cat /etc/passwd; ls /etc/shadow /etc/ssh /etc/machine-id /etc/ssl/private 2>&1; id -un")
        #expect(passwd.contains("app:x:\(InitRun.userID):"))
        #expect(passwd.split(separator: "\n").last == "app")
        for path in ["shadow", "ssh", "machine-id", "ssl/private"] {
            #expect(passwd.contains("'/etc/\(path)': No such file or directory"))
        }
    }

    @Test func onlyTheAppAndInitAreInItsProcessList() throws {
        let text = try output("for d in /proc/[0-9]*; do read -r name <$d/comm; echo ${d#/proc/} $name; done")
        #expect(text == "1 paas-init\n2 sh\n")
    }

    @Test func hostNameAndCgroupAreTheAppsOwn() throws {
        let text = try output("hostname; grep ^0:: /proc/self/cgroup; getent hosts probe")
        #expect(text.hasPrefix("probe\n0::/\n"))
        #expect(text.contains("::1") || text.contains("127.0.0.1"))
    }

    @Test func everyNamespaceIsTheAppsOwn() throws {
        let names = ["mnt", "pid", "ipc", "uts", "cgroup", "net"]
        let text = try output("cd /proc/self/ns; readlink \(names.joined(separator: " "))")
        let own = Set(text.split(separator: "\n").map(String.init))
        #expect(own.count == names.count)
        for name in names {
            var buffer = [UInt8](repeating: 0, count: 64)
            let length = readlink("/proc/self/ns/\(name)", &buffer, buffer.count)
            #expect(length > 0 && !own.contains(String(decoding: buffer[..<max(0, length)], as: UTF8.self)))
        }
    }

    @Test func procTellsNothingOfTheHostAndCannotChangeIt() throws {
        let text = try output(
            "for f in kcore keys timer_list kallsyms; do [ -e /proc/$f ] && wc -c </proc/$f; done;"
                + "(echo 1 >/proc/sys/kernel/panic) 2>&1; [ -e /proc/sysrq-trigger ] && [ -w /proc/sysrq-trigger ] && echo sysrq;"
                + "grep -c MemTotal /proc/meminfo; grep -E ' (/|/proc|/proc/sys|/dev|/tmp|/data|/app|/usr) ' /proc/self/mountinfo"
        )
        #expect(text.hasPrefix("0\n0\n"))
        #expect(!text.split(separator: "\n").prefix { !$0.contains("cannot") }.contains { $0 != "0" })
        #expect(text.contains("/proc/sys/kernel/panic: Read-only file system"))
        #expect(!text.contains("sysrq"))
        func options(_ path: String) -> Set<Substring> {
            let lines = text.split(separator: "\n").map { $0.split(separator: " ") }
            let line = lines.last { $0.count > 5 && $0[4] == path }
            return Set(line?[5].split(separator: ",") ?? [])
        }
        #expect(options("/").isSuperset(of: ["ro", "nosuid", "nodev", "noexec"]))
        #expect(options("/usr").isSuperset(of: ["ro", "nosuid", "nodev"]))
        #expect(options("/app").isSuperset(of: ["ro", "nosuid", "nodev"]))
        #expect(options("/data").isSuperset(of: ["rw", "nosuid", "nodev"]))
        #expect(options("/tmp").isSuperset(of: ["rw", "nosuid", "nodev"]))
        #expect(options("/proc").isSuperset(of: ["nosuid", "nodev", "noexec"]))
        #expect(options("/proc/sys").isSuperset(of: ["ro", "nosuid", "nodev", "noexec"]))
        #expect(options("/dev").isSuperset(of: ["ro", "nosuid"]))
    }

    @Test func devHasTheHarmlessDevicesAndNoOthers() throws {
        let text = try output(
            "ls -A /dev | tr '\\n' ' '; echo; head -c 4 /dev/zero | wc -c; head -c 8 /dev/urandom | wc -c;"
                + "echo gone >/dev/null; echo shm >/dev/shm/x && cat /dev/shm/x; (chmod 600 /dev/null) 2>&1;"
                + "(mknod /tmp/disk b 8 0) 2>&1; head -c 1 /dev/zero >/dev/full")
        #expect(text.hasPrefix("fd full null random shm stderr stdin stdout tty urandom zero \n4\n8\nshm\n"))
        #expect(text.contains("chmod: changing permissions of '/dev/null'"))
        #expect(text.contains("mknod: /tmp/disk: Operation not permitted"))
        #expect(text.contains("No space left on device"))
    }

    @Test func standardOutputCanBeOpenedAgainByItsName() throws {
        #expect(
            try output("echo one >/dev/stdout; echo two >/dev/stderr; echo three >/proc/self/fd/1")
                == "one\ntwo\nthree\n")
    }

    @Test func onlyTheThreeStandardDescriptorsAreOpen() throws {
        let probe = "for i in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$i ] && echo $i; done; :"
        #expect(try output(probe) == "0\n1\n2\n")
    }

    @Test func environmentIsThePlansAndNothingOfTheAgents() throws {
        let run = try InitRun(.exec(["env"]), env: ["GREETING": "hello world", "LANG": "de_DE.UTF-8"])
        let lines = Set(try run.finish().split(separator: "\n").map(String.init))
        #expect(
            lines == [
                "PORT=20001", "PAAS_APP=probe", "PAAS_INSTANCE=web.1", "PAAS_RELEASE=v1", "HOME=/data", "TMPDIR=/tmp",
                "PYTHONUNBUFFERED=1", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "LANG=de_DE.UTF-8", "USER=app", "LOGNAME=app", "GREETING=hello world",
            ])
    }

    @Test func resourceLimitsAreThoseOfThePlan() throws {
        let text = try output("cat /proc/self/limits; cat /proc/self/oom_score_adj; umask")
        func limit(_ name: String) -> [Substring] {
            text.split(separator: "\n").first { $0.hasPrefix(name) }?.dropFirst(26).split(separator: " ") ?? []
        }
        #expect(limit("Max core file size").prefix(2) == ["0", "0"])
        let files = limit("Max open files")
        #expect(files.first.flatMap { Int($0) }.map { $0 > 1024 && $0 <= 65_536 } == true, "\(files)")
        #expect(text.hasSuffix("\n200\n0022\n"))
    }

    @Test func aSetUserIDProgramGivesNothing() throws {
        #expect(
            try output("ls -l /usr/bin/su | cut -c1-10; su -c 'id -u' 2>&1; id -u").hasSuffix("\(InitRun.userID)\n"))
    }

    @Test func sessionAndProcessGroupAreTheAppsOwn() throws {
        // pid, group and session of /proc/self/stat as the shell itself sees it: fields 1, 5 and 6.
        let text = try output(
            "read -r pid name state parent group session rest </proc/self/stat; echo $pid $group $session $parent")
        let numbers = text.split(whereSeparator: \.isWhitespace)
        #expect(numbers.count == 4 && numbers[0] == numbers[1] && numbers[1] == numbers[2])
        #expect(numbers.last == "1")
    }

    @Test func aHiddenDirectoryBelowOptIsEmpty() throws {
        let hidden = "/opt/paas-init-test-\(getpid())"
        try #require(mkdir(hidden, 0o755) == 0 && mkdir(hidden + "/secret", 0o755) == 0)
        defer {
            rmdir(hidden + "/secret")
            rmdir(hidden)
        }
        var configuration = SandboxPlanner.Configuration()
        configuration.hiddenDirectories = [hidden]
        let view = try SandboxPlanner(configuration: configuration).plan(
            assignment: Assignment(
                instanceID: "i-abcdefghijklmnopqrst", appID: "a-abcdefghijklmnopqrst", app: AppName(validating: "x"),
                slot: "web.1", release: "v1", spec: ReleaseSpec(command: .shell(":")), desired: .running),
            port: 1, userID: InitRun.userID, directories: AppDirectories(app: nil, data: "/"))
        let command = Command.shell("ls -A \(hidden) | wc -l; echo x >\(hidden)/file")
        let masks = view.mounts.filter { if case .mask = $0 { true } else { false } }
        #expect(masks == [.mask(target: hidden)])
        #expect(try InitRun(command).finish().hasPrefix("1\n"))
        let masked = try InitRun(command, changing: { $0.mounts += masks }).finish()
        #expect(masked.hasPrefix("0\n"))
        #expect(masked.contains("cannot create"))
    }
}
