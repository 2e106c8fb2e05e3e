// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import PaaSModel

/// Pauses between attempts: 0.1 s doubling to 5 s, with jitter.
struct Retry {
    private var attempts = 0

    /// Something failed since the last success.
    var isFailing: Bool { attempts > 0 }

    mutating func reset() { attempts = 0 }

    /// Waits before the next attempt, or until the task is cancelled.
    mutating func pause() async {
        let pause = min(Duration.milliseconds(100) * (1 << min(attempts, 10)), .seconds(5))
        attempts += 1
        let seconds = pause.inSeconds * Double.random(in: 0.8...1.2)
        // A timer of an event loop and not Task.sleep; see Program.
        let timer = MultiThreadedEventLoopGroup.singleton.any().scheduleTask(in: .milliseconds(Int64(seconds * 1000))) {
        }
        await withTaskCancellationHandler {
            try? await timer.futureResult.get()
        } onCancel: {
            timer.cancel()
        }
    }
}
