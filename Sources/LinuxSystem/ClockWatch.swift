// SPDX-License-Identifier: Apache-2.0

internal import CLinuxSupport
internal import Glibc

/// Tells when somebody sets the wall clock (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET). Costs nothing until then. A
/// clock that is only made to go faster or slower, as by adjtimex(2), is not told of.
public struct ClockWatch: ~Copyable, Sendable {
    /// Readable once the clock was set, until ``takeJump()``.
    public let descriptor: OwnedDescriptor
    private var offset: Int64

    /// Watches from now on.
    ///
    /// - Throws: `SystemError` (EMFILE, ENFILE, ENOMEM).
    public init() throws(SystemError) {
        let number = cls_clock_watch()
        guard number >= 0 else { throw SystemError(operation: "timerfd_create", errno: -number) }
        descriptor = OwnedDescriptor(adopting: number)
        offset = cls_wall_clock_offset_ns()
    }

    /// Returns by how much the clock was set since the last time, in sum; negative when it was set back. Does not block.
    public mutating func takeJump() -> Duration {
        var ignored: UInt64 = 0
        // ECANCELED, or EAGAIN when nothing was.
        _ = Glibc.read(descriptor.rawValue, &ignored, 8)
        let before = offset
        offset = cls_wall_clock_offset_ns()
        return .nanoseconds(offset - before)
    }
}
