// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOCore
import NIOPosix

/// The entry point.
@main
enum Program {
    /// Lets async code run on NIO's event loops before anything else does.
    ///
    /// Swift's own pool on Linux is libdispatch's, whose pool monitor wakes the process every second for ever once a
    /// worker has run (`_dispatch_workq_monitor_pools`); an idle control plane must not wake up. It also saves the
    /// switch between the two pools of threads. Where the hook is not to be had, everything works as before.
    @MainActor static func main() async {
        NIOSingletons.unsafeTryInstallSingletonPosixEventLoopGroupAsConcurrencyGlobalExecutor()
        await Paasd.main()
    }
}
