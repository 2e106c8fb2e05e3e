// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Glibc
internal import PaaSClient
internal import PaaSModel
internal import ProgramSupport

/// Deploys the attack suite as an app of its own, reads its report from its log, and removes it.
struct SandboxCheck: Sendable {
    let client: PaaSClient
    /// Root of the platform's state, which the attacks reach for.
    let home: String
    let profile: SandboxProfile

    /// Runs it on the node that the control plane chooses.
    ///
    /// - Throws: `CommandFailure` or `ClientError` when the suite could not run, not when an attack succeeds.
    func run(on node: Node) async throws -> AttackReport {
        let sha256 = try await upload()
        let name = try AppName(validating: "paas-doctor-\(String(UInt32.random(in: .min ... .max), radix: 36))")
        var spec = AppSpec()
        spec.name = name
        spec.command = .exec(["./paas-attacks", "--serve"])
        spec.bundle = sha256
        spec.sandbox = profile
        spec.restart = .never
        spec.env = environment(node).mapValues { $0 }
        let app = try await client.create(spec)
        let result: Result<[AttackResult], any Error>
        do { result = .success(try await results(of: app)) } catch { result = .failure(error) }
        try await client.delete(app.id, waitSeconds: 60)
        return AttackReport(node: node.name, cases: try result.get())
    }

    private func upload() async throws -> String {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let program = own.prefix(upTo: own.lastIndex(of: "/") ?? own.startIndex) + "/paas-attacks"
        guard access(String(program), X_OK) == 0 else {
            throw CommandFailure(
                .failure, "there is no program \(program)", hint: "build it with 'swift build', or install it there")
        }
        let temporary = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        let directory = "\(temporary)/paas-doctor-\(String(UInt64.random(in: 0...UInt64.max), radix: 36))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try FileManager.default.copyItem(atPath: String(program), toPath: directory + "/paas-attacks")
        let bundle = try BundlePacker.pack(try SourceDirectory(path: directory, home: nil))
        if try await !client.hasBundle(bundle.sha256) {
            try await client.uploadBundle(bundle.sha256, from: bundle.path)
        }
        return bundle.sha256
    }

    /// What the attacks may reach for, and which layers are there to stop them.
    private func environment(_ node: Node) -> [String: String] {
        var layers = node.capabilities.layers.filter(\.enforced).map(\.name)
        switch node.capabilities.networks.first {
        case .isolated: layers.append("no-egress")
        case .egress: break
        default: layers.removeAll { $0 == "network-namespace" }
        }
        var variables = [
            "ATTACK_LAYERS": layers.joined(separator: " "), "ATTACK_HOME": home,
            "ATTACK_CGROUP": node.capabilities.cgroupRoot,
        ]
        variables["ATTACK_ROUTER_PORT"] = node.routerAddress.split(separator: ":").last.map(String.init)
        return variables
    }

    private func results(of app: App) async throws -> [AttackResult] {
        let waiter = AppWaiter(
            client: client, goal: .rollout(id: app.rollout?.id ?? 0), timeout: .seconds(180), eventsSince: 0)
        switch try await waiter.wait(for: app, report: { _ in }) {
        case .reached: break
        case .failed(_, let reason): throw CommandFailure(.failure, "the attack suite could not run: \(reason)")
        case .timedOut(_, let waitingFor):
            throw CommandFailure(.failure, "the attack suite is not done after 3 minutes: \(waitingFor ?? "no reason")")
        }
        var parameters = LogParameters()
        parameters.limit = .all
        parameters.stream = .stdout
        var results: [AttackResult] = []
        let decoder = JSONDecoder()
        for try await line in try await client.logs(app.id, parameters) {
            results.append(try decoder.decode(AttackResult.self, from: Data(line.text.utf8)))
        }
        guard !results.isEmpty else { throw CommandFailure(.failure, "the attack suite has reported nothing") }
        return results
    }
}
