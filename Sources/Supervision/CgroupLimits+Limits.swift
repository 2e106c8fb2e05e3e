// SPDX-License-Identifier: Apache-2.0

internal import Cgroups
internal import PaaSModel

extension CgroupLimits {
    /// The limits of a release that a cgroup enforces; `diskBytes` is the sandbox's business.
    init(_ limits: Limits) {
        self.init(memoryBytes: limits.memoryBytes, cpuCores: limits.cpu, processes: limits.pids)
        memoryHighBytes = limits.memoryHighBytes
        cpuBurstCores = limits.cpuBurst
        cpuWeight = limits.cpuWeight
        ioWeight = limits.ioWeight
        io.readBytes = limits.ioReadBytesPerSecond
        io.writtenBytes = limits.ioWriteBytesPerSecond
        io.reads = limits.ioReadsPerSecond
        io.writes = limits.ioWritesPerSecond
    }
}
