// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem
internal import Logging
internal import PaaSModel

/// A wall clock that is set while apps run. Nothing is decided by it, all timers are monotonic; but whoever reads the
/// times of events, reports and log lines must know.
extension Supervisor {
    /// Below it no reader would notice; services that keep the time set a clock by so little.
    private static let smallestJump = Duration.seconds(1)

    func watchClock() throws(SystemError) {
        _ = try register(clock.descriptor, for: .readable) { $0.clockWasSet() }
    }

    private func clockWasSet() {
        let jump = clock.takeJump()
        let (direction, size) = jump < .zero ? ("back", .zero - jump) : ("forward", jump)
        guard !hasLeft, size >= Self.smallestJump else { return }
        let message = "the node's clock was set \(direction) by \(size.shortText); earlier times are by the old clock"
        dependencies.logger.warning("\(message)")
        tellEveryApp(message)
    }
}
