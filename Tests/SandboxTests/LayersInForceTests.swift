// SPDX-License-Identifier: Apache-2.0

import LinuxSystem
import PaaSModel
import Testing

@testable import Sandbox

/// What the kernel shows of a real app, with one layer taken out of its plan at a time.
@Suite(.serialized, .enabled(if: InitRun.isPossible, InitRun.requirement))
struct LayersInForceTests {
    private func missing(_ change: (inout RunPlan) -> Void = { _ in }) throws -> Set<String> {
        let run = try InitRun(.shell("echo up; exec sleep 60"), changing: change)
        try run.waitForOutput(containing: "up")
        let app = try #require(ProcFS.children(of: run.process.value.pid).first)
        let process = try #require(ProcessConfinement(of: app))
        let layers = LayersInForce.of(process, profile: .standard, node: SandboxProbe.layers())
        for layer in layers where !layer.enforced { #expect(layer.detail != nil && layer.remedy != nil) }
        return Set(layers.filter { !$0.enforced }.map(\.name))
    }

    @Test func anAppOfTheDefaultPlanHasEveryLayerOfTheNode() throws {
        #expect(try missing() == Set(SandboxProbe.layers().filter { !$0.enforced }.map(\.name)))
    }

    @Test(arguments: ["ipc-namespace", "uts-namespace", "cgroup-namespace", "network-namespace", "seccomp"])
    func aLayerThatIsLeftOutIsShownAsMissing(layer: String) throws {
        let lacking = try missing { plan in
            do { try plan.leaveOut(layer: layer) } catch { Issue.record("\(error)") }
        }
        #expect(lacking.contains(layer))
        #expect(lacking.subtracting(try missing()) == [layer])
    }

    @Test func onlyLayersThatAreNotPaasInitsOwnCanBeLeftOut() throws {
        var plan = RunPlan(argumentVector: ["x"], userID: 1_900_000_000, groupID: 1_900_000_000)
        for layer in RunPlan.removableLayers { try plan.leaveOut(layer: layer) }
        for layer in ["own-user", "no-capabilities", "no-new-privs", "nonsense"] {
            let error = try #require(throws: SandboxError.self) { try plan.leaveOut(layer: layer) }
            #expect(error.message.contains("'\(layer)'"))
        }
    }

    @Test func withProfileOffTheReasonIsTheRelease() throws {
        let run = try InitRun(.shell("echo up; exec sleep 60"))
        try run.waitForOutput(containing: "up")
        let app = try #require(ProcFS.children(of: run.process.value.pid).first)
        let layers = LayersInForce.of(
            try #require(ProcessConfinement(of: app)), profile: .off, node: SandboxProbe.layers())
        let landlock = try #require(layers.first { $0.name == "landlock" })
        #expect(!landlock.enforced && landlock.remedy != nil)
    }
}
