// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import PaaSModel
import Testing

@testable import Sandbox

struct SandboxProbeTests {
    private static let root = "Name:\tagent\nCapPrm:\t000001ffffffffff\nCapEff:\t000001ffffffffff\n"
    private static let user = "Name:\tagent\nCapEff:\t0000000000000000\n"

    private func layers(
        _ status: String, missing: String = "", filterActions: String = "kill_process errno allow\n",
        landlock: Result<Int, SystemError> = .success(6)
    ) -> [String: SandboxLayer] {
        let layers = SandboxProbe.layers(
            SandboxProbe.Facts(
                processStatus: status, filterActions: filterActions, landlock: landlock,
                hasNamespace: { $0 != missing }))
        return Dictionary(uniqueKeysWithValues: layers.map { ($0.name, $0) })
    }

    @Test func rootHasEveryLayerThatIsBuilt() {
        let missing = layers(Self.root).values.filter { !$0.enforced }.map(\.name).sorted()
        #expect(missing.isEmpty)
    }

    @Test func whatIsNotEnforcedSaysWhyAndWhatWouldChangeThat() {
        for text in [Self.root, Self.user, "", "CapEff:\tnonsense\n"] {
            for layer in layers(text, filterActions: "", landlock: .success(2)).values {
                #expect(layer.enforced == (layer.remedy == nil), "\(layer.name)")
                #expect(layer.enforced || layer.detail != nil, "\(layer.name)")
            }
        }
        let seccomp = layers(Self.root, filterActions: "allow trap\n")["seccomp"]
        let silent = layers(Self.root)["seccomp"]
        #expect(silent?.enforced == true && silent?.detail?.contains("makes no events") == true)
        #expect(layers(Self.root, filterActions: "errno user_notif\n")["seccomp"]?.detail == nil)
        #expect(seccomp?.enforced == false && seccomp?.remedy?.contains("CONFIG_SECCOMP_FILTER") == true)
    }

    @Test(arguments: [
        (1, []), (2, ["landlock"]), (4, ["landlock", "landlock-tcp-bind"]),
        (7, ["landlock", "landlock-scopes", "landlock-tcp-bind"]),
    ])
    func landlockIsShownByWhatItsABIHas(abi: Int, inForce: [String]) {
        let layers = layers(Self.root, landlock: .success(abi)).values.filter { $0.name.hasPrefix("landlock") }
        #expect(layers.filter(\.enforced).map(\.name).sorted() == inForce)
        #expect(layers.allSatisfy { $0.detail?.contains("\(abi)") == true })
    }

    @Test func aKernelWithoutLandlockSaysWhichOfTheTwoReasonsItHas() {
        func layer(_ errno: Int32) -> SandboxLayer? {
            layers(Self.root, landlock: .failure(SystemError(operation: "x", errno: errno)))["landlock"]
        }
        #expect(layer(EOPNOTSUPP)?.remedy?.contains("lsm=") == true)
        #expect(layer(ENOSYS)?.remedy?.contains("CONFIG_SECURITY_LANDLOCK") == true)
    }

    @Test func theMinimumRefusesWhatItRequiresAndNamesTheLayer() throws {
        func all(_ status: String, _ actions: String, _ landlock: Result<Int, SystemError>) -> [SandboxLayer] {
            SandboxProbe.layers(
                SandboxProbe.Facts(
                    processStatus: status, filterActions: actions, landlock: landlock, hasNamespace: { _ in true }))
        }
        let old = all(Self.root, "errno", .success(2))
        #expect(SandboxMinimum.base.refusal(layers: old) == nil)
        let refusal = try #require(SandboxMinimum.full.refusal(layers: old))
        #expect(refusal.contains("'landlock-tcp-bind'") && refusal.contains("--minimum-sandbox"))
        let bare = all(Self.root, "", .failure(SystemError(operation: "x", errno: ENOSYS)))
        #expect(SandboxMinimum.base.refusal(layers: bare)?.contains("'landlock'") == true)
        #expect(SandboxMinimum.any.refusal(layers: bare) == nil)
        let unprivileged = all(Self.user, "errno", .success(7))
        for minimum in SandboxMinimum.allCases {
            #expect(minimum.refusal(layers: unprivileged)?.contains("'mount-namespace'") == true)
        }
    }

    @Test func withoutCapabilitiesTheirLayersAreNotEnforced() {
        for status in [Self.user, "", "CapEff:\tnonsense\n"] {
            let layers = layers(status)
            for name in ["mount-namespace", "private-root", "own-user", "no-capabilities"] {
                #expect(layers[name]?.enforced == false)
            }
            #expect(layers["no-new-privs"]?.enforced == true)
        }
    }

    @Test func aKernelWithoutANamespaceIsNamed() {
        let layers = layers(Self.root, missing: "ipc")
        #expect(layers["ipc-namespace"]?.enforced == false)
        #expect(layers["uts-namespace"]?.enforced == true)
    }

    private struct NoTool: Error {}

    @Test func theStrictestNetworkThatTheNodeHasComesFirst() {
        func modes(_ status: String, missing: String = "") -> [NetworkMode] {
            NetworkSupport(
                layers: Array(layers(status, missing: missing).values), egressTool: .failure(NoTool())
            ).modes
        }
        #expect(modes(Self.root) == [.isolated, .host])
        #expect(modes(Self.root, missing: "net") == [.host])
        #expect(modes(Self.user) == [.host])
        // Namespaces may be made, but their loopback interface not be brought up.
        #expect(modes("CapEff:\t000001ffffffefff\n") == [.host])
    }

    @Test func everyUserIDIsAPositiveSignedInteger() {
        #expect(UserIDs.ofRoot.count == 1_000_000)
        #expect(UserIDs.ofRoot.allSatisfy { Int32(exactly: $0) != nil && $0 > 1_879_048_191 })
    }

    @Test func inAUserNamespaceAppsGetTheLargestRangeOfSubordinateIDs() {
        func range(_ users: String, _ groups: String) -> Range<UInt32> {
            UserIDs.range(users: IDMap(users), groups: IDMap(groups))
        }
        let all = "         0          0 4294967295\n"
        let own = "         0       1000          1\n"
        let subordinate = own + "         1     100000      65536\n"
        #expect(range(all, all) == UserIDs.ofRoot)
        #expect(range(subordinate, subordinate) == 1..<65_537)
        #expect(range(subordinate + "  70000 500000 9\n", subordinate) == 1..<65_537)
        // Root of the namespace is the agent itself.
        #expect(range("0 100000 65536\n", "0 100000 65536\n") == 1..<65_536)
        // An app has its uid as its gid as well.
        #expect(range(subordinate, own).isEmpty)
        #expect(range(own, own).isEmpty)
        #expect(range("", "").isEmpty)
        #expect(range("nonsense\n0 0\n", all).isEmpty)
    }
}
