// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Cgroups
import FoundationEssentials
import Glibc
import LinuxSystem
import PaaSModel
import ProgramSupport
import Sandbox
import Supervision

/// `agent try-sandbox`: one program in an app's sandbox, without the platform.
struct TrySandboxCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "try-sandbox",
        abstract: "Run one program in the sandbox that an app gets, without the platform around it.",
        discussion: """
            To find out which layer a program does not get along with: leave out one after the other. The layers are \
            \(RunPlan.removableLayers.joined(separator: ", ")). Apps of the platform never run like this.

            EXAMPLES
              agent try-sandbox -- python3 -c 'import os; print(os.listdir("/"))'
              agent try-sandbox --without seccomp --source ./shop -- ./server
            """)

    @Option(help: ArgumentHelp("standard or strict. Default: standard.", valueName: "profile"))
    var sandbox: String?

    @Option(help: ArgumentHelp("Leave a layer out; may be given several times.", valueName: "layer"))
    var without: [String] = []

    @Option(help: ArgumentHelp("Directory to show at /app. Default: an empty one.", valueName: "dir"))
    var source: String?

    @Option(
        name: [.customShort("e"), .long],
        help: ArgumentHelp("A variable; may be given several times.", valueName: "k=v"))
    var env: [String] = []

    @Option(help: ArgumentHelp("PORT of the program. Default: 20000.", valueName: "port"))
    var port: UInt16 = 20_000

    @Option(help: ArgumentHelp("The paas-init program. Default: beside this program.", valueName: "path"))
    var initPath: String?

    @Argument(parsing: .postTerminator, help: "Program and arguments, after '--'.")
    var command: [String]

    /// The last of the apps' user ids: the allocator begins at the first.
    private static var userID: UInt32 { UserIDs.range.upperBound - 1 }
    private static let app = "try-sandbox"

    func validate() throws {
        if command.isEmpty { throw ArgumentParser.ValidationError("give a program after '--'") }
        if let sandbox, SandboxProfile(rawValue: sandbox) ?? .off == .off {
            throw ArgumentParser.ValidationError("--sandbox is standard or strict")
        }
        if env.contains(where: { $0.first == "=" || !$0.contains("=") }) {
            throw ArgumentParser.ValidationError("-e takes NAME=VALUE")
        }
    }

    func run() async throws {
        do {
            let result = try await outcome()
            try StandardOutput.write(result.output)
            if let failure = result.startFailure { throw ProgramError(failure) }
            switch result.outcome {
            case .exited(let code): throw ExitCode(code)
            case .signaled(let signal, _): throw ExitCode(128 + signal)
            default: throw ProgramError("how the program ended is not known")
            }
        } catch let code as ExitCode {
            throw code
        } catch {
            StandardError.write("agent: \(error)")
            throw ExitCode(125)
        }
    }

    private func outcome() async throws -> OneOffRunner.Result {
        try UserNamespace.enter(cgroupRoot: CgroupDiscovery.current().defaultRoot)
        guard !UserIDs.range.isEmpty else { throw ProgramError("this user namespace has no ids for apps") }
        let data = "/tmp/paas-try-\(getpid())"
        guard mkdir(data, 0o700) == 0, chown(data, Self.userID, Self.userID) == 0 else {
            throw ProgramError("cannot make \(data): \(String(cString: strerror(errno)))")
        }
        defer { try? FileManager.default.removeItem(atPath: data) }
        let plan = try plan(data: data)
        let root = try CgroupDiscovery.current().defaultRoot + "-try-\(getpid())"
        let cgroups = try CgroupTree.prepare(root: root)
        defer {
            _ = try? cgroups.removeSlice(app: Self.app)
            rmdir(root)
        }
        let loop = try EventLoop()
        loop.start(threadName: "try-sandbox")
        defer { loop.stopAndJoin() }
        let runner = OneOffRunner(loop: loop, cgroups: cgroups, initPath: initPath ?? AgentSettings.defaultInitPath)
        return try await runner.run(
            plan, app: Self.app, runID: "r", limits: CgroupLimits(), timeLimit: .seconds(600), outputLimit: 1 << 20)
    }

    private func plan(data: String) throws -> RunPlan {
        var variables: [String: String] = [:]
        for text in env {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            variables[String(parts[0])] = String(parts[1])
        }
        let spec = ReleaseSpec(
            command: .exec(command), env: variables,
            sandbox: sandbox.flatMap(SandboxProfile.init(rawValue:)) ?? .standard)
        let assignment = Assignment(
            instanceID: "i-try", appID: "a-try", app: try AppName(validating: Self.app), slot: "web.1", release: "v1",
            spec: spec, desired: .running)
        let bundle = try source.map { path in
            guard let real = realpath(path, nil) else {
                throw ProgramError("--source \(path): \(String(cString: strerror(errno)))")
            }
            defer { free(real) }
            return String(cString: real)
        }
        var plan = try SandboxPlanner().plan(
            assignment: assignment, port: Int(port), userID: Self.userID,
            directories: AppDirectories(app: bundle, data: data))
        // Nobody connects from outside.
        plan.connectorPort = nil
        for layer in without { try plan.leaveOut(layer: layer) }
        return plan
    }
}

private enum StandardOutput {
    static func write(_ text: String) throws(SystemError) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0 && errno != EINTR { throw SystemError(operation: "write", path: "stdout", errno: errno) }
            rest = rest.dropFirst(max(0, count))
        }
    }
}
