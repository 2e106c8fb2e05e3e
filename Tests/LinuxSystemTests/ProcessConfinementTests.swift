// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import LinuxSystem

struct ProcessConfinementTests {
    private static let status = """
        Name:\tsh
        Uid:\t1900000000\t1900000000\t1900000000\t1900000000
        CapInh:\t0000000000000000
        CapPrm:\t0000000000000000
        CapEff:\t0000000000000000
        CapBnd:\t0000000000000000
        CapAmb:\t0000000000000000
        NoNewPrivs:\t1
        Seccomp:\t2

        """
    private static let limits = """
        Limit                     Soft Limit           Hard Limit           Units
        Max core file size        0                    0                    bytes
        Max open files            1024                 65536                files

        """

    private func read(_ status: String = status) -> ProcessConfinement? {
        ProcessConfinement(status: status, limits: Self.limits, ownNamespaces: ["pid"])
    }

    @Test func aConfinedProcessIsRecognised() throws {
        let process = try #require(read())
        #expect(process.userID == 1_900_000_000)
        #expect(process.hasNoCapabilities && process.hasNoNewPrivileges && process.isFiltered)
        #expect(process.resourceLimits == ["Max core file size": "0 0", "Max open files": "1024 65536"])
    }

    @Test(arguments: ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
    func oneCapabilityInAnySetCounts(set: String) throws {
        let held = Self.status.replacing("\(set):\t0000000000000000", with: "\(set):\t0000000000000001")
        #expect(try !#require(read(held)).hasNoCapabilities)
        let unshown = Self.status.replacing("\(set):\t0000000000000000\n", with: "")
        #expect(try !#require(read(unshown)).hasNoCapabilities)
    }

    @Test func aFilterOfModeOneOrNoneIsNone() throws {
        #expect(try !#require(read(Self.status.replacing("Seccomp:\t2", with: "Seccomp:\t0"))).isFiltered)
        #expect(try !#require(read(Self.status.replacing("Seccomp:\t2\n", with: ""))).isFiltered)
        #expect(read("Name:\tx\n") == nil)
    }

    @Test func aProcessOfOursHasOurNamespacesAndOneThatIsGoneHasNothing() throws {
        let own = try #require(ProcessConfinement(of: getpid()))
        #expect(own.ownNamespaces.isEmpty)
        #expect(own.userID == getuid())
        #expect(ProcessConfinement(of: Int32.max) == nil)
    }
}
