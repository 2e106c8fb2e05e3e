// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Glibc

/// Runs a function at every SIGHUP, as long as the value lives. Costs nothing while no signal comes.
///
/// `@unchecked Sendable`: the source is set in init, cancelled in deinit, and touched nowhere else.
public final class ReloadSignal: @unchecked Sendable {
    private let source: any DispatchSourceSignal

    /// Begins to listen; SIGHUP no longer ends the process.
    ///
    /// - Parameter handler: runs on a thread of its own choosing; reads the configuration again.
    public init(_ handler: @escaping @Sendable () -> Void) {
        signal(SIGHUP, SIG_IGN)
        source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: DispatchQueue(label: "paas.reload"))
        source.setEventHandler { handler() }
        source.activate()
    }

    deinit { source.cancel() }
}
