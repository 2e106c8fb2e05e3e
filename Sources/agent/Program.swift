// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOCore
import NIOPosix

/// The entry point.
@main
enum Program {
    /// Lets async code run on NIO's event loops before anything else does.
    ///
    /// Swift's own pool on Linux is libdispatch's, whose monitor wakes the process every second for ever once a worker
    /// has run; an idle agent must make no system call. For the same reason nothing in the agent uses `Task.sleep`.
    @MainActor static func main() async {
        NIOSingletons.unsafeTryInstallSingletonPosixEventLoopGroupAsConcurrencyGlobalExecutor()
        await AgentCommand.main()
    }
}
