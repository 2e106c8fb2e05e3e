// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import Sandbox

struct SandboxProbeTests {
    private static let root = "Name:\tagent\nCapPrm:\t000001ffffffffff\nCapEff:\t000001ffffffffff\n"
    private static let user = "Name:\tagent\nCapEff:\t0000000000000000\n"

    private func layers(_ status: String, missing: String = "") -> [String: SandboxLayer] {
        let layers = SandboxProbe.layers(processStatus: status) { $0 != missing }
        return Dictionary(uniqueKeysWithValues: layers.map { ($0.name, $0) })
    }

    @Test func rootHasEveryLayerThatIsBuilt() {
        let missing = layers(Self.root).values.filter { !$0.enforced }.map(\.name).sorted()
        #expect(missing == ["landlock", "network-namespace", "seccomp"])
    }

    @Test func whatIsNotEnforcedSaysWhy() {
        for text in [Self.root, Self.user, "", "CapEff:\tnonsense\n"] {
            for layer in layers(text).values { #expect(layer.enforced == (layer.detail == nil), "\(layer.name)") }
        }
        #expect(layers(Self.root)["seccomp"]?.detail == "not built yet")
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

    @Test func everyUserIDIsAPositiveSignedInteger() {
        #expect(UserIDs.range.count == 1_000_000)
        #expect(UserIDs.range.allSatisfy { Int32(exactly: $0) != nil && $0 > 1_879_048_191 })
    }
}
