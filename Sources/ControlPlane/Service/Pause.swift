// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOPosix

/// Waiting on NIO's timers. Not `Task.sleep`: on Linux that runs on libdispatch's pool, whose monitor then wakes the
/// process every second for ever.
enum Pause {
    /// Waits; costs nothing meanwhile.
    ///
    /// - Throws: `CancellationError` when the task is cancelled.
    static func sleep(for duration: Duration) async throws {
        let scheduled = MultiThreadedEventLoopGroup.singleton.next().scheduleTask(in: TimeAmount(duration)) {}
        do {
            try await withTaskCancellationHandler {
                try await scheduled.futureResult.get()
            } onCancel: {
                scheduled.cancel()
            }
        } catch is EventLoopError {
            throw CancellationError()
        }
        try Task.checkCancellation()
    }
}
