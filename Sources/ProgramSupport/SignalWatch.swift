// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization

/// Calls a function for signals, as long as the value lives or until ``cancel()``. Then they do what they did before.
///
/// A signal handler writes their numbers into a pipe, and one thread for all watches reads it. It sleeps until a signal
/// comes. The signal sources of Dispatch are not used: they wait on a signalfd, which sees nothing of a signal that the
/// main thread neither blocks nor handles (signalfd(2)).
public final class SignalWatch: Sendable {
    /// What all watches share.
    private enum Relay {
        // Safe: written once, before the thread and the first handler are there, and then only read.
        nonisolated(unsafe) private static var readEnd: CInt = -1
        nonisolated(unsafe) private static var writeEnd: CInt = -1

        struct Handler {
            let watch: ObjectIdentifier
            let body: @Sendable (CInt) -> Void
        }

        static let handlers = Mutex<[CInt: [Handler]]>([:])

        /// Makes the pipe and its thread, once.
        static let start: Void = {
            var ends: [CInt] = [-1, -1]
            guard pipe(&ends) == 0 else { fatalError("no descriptor is left for signals") }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            // A full pipe has enough signals to wake anybody; the handler must never wait.
            _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
            (readEnd, writeEnd) = (ends[0], ends[1])
            var thread = pthread_t()
            let result = pthread_create(&thread, nil, { _ in Relay.read() }, nil)
            precondition(result == 0, "pthread_create failed with \(result)")
            pthread_detach(thread)
        }()

        /// The handler itself; async-signal-safe (signal-safety(7)).
        static let write: @convention(c) (CInt) -> Void = { number in
            let before = errno
            var byte = UInt8(truncatingIfNeeded: number)
            _ = Glibc.write(Relay.writeEnd, &byte, 1)
            errno = before
        }

        private static func read() -> Never {
            // Signals are for the threads that may be interrupted.
            var all = sigset_t()
            sigfillset(&all)
            pthread_sigmask(SIG_BLOCK, &all, nil)
            var bytes = [UInt8](repeating: 0, count: 64)
            while true {
                let count = Glibc.read(readEnd, &bytes, bytes.count)
                for number in bytes.prefix(max(0, count)) {
                    for handler in handlers.withLock({ $0[CInt(number)] ?? [] }) { handler.body(CInt(number)) }
                }
            }
        }
    }

    private let before: Mutex<[(number: CInt, action: sigaction)]>

    /// Begins to watch.
    ///
    /// - Parameters:
    ///   - numbers: a signal that is ignored, as SIGINT is in the background jobs of a script, stays so unless
    ///     `evenIgnored`.
    ///   - once: each signal is watched once; the next one does what it did before, and is sent by whoever wants to end
    ///     the program at once.
    ///   - evenIgnored: see `numbers`.
    ///   - handler: runs on the thread of all watches, one call after another.
    public init(
        of numbers: [CInt], once: Bool = false, evenIgnored: Bool = false, handler: @escaping @Sendable (CInt) -> Void
    ) {
        before = Mutex([])
        _ = Relay.start
        for number in numbers {
            var present = sigaction()
            sigaction(number, nil, &present)
            if !evenIgnored && Self.isIgnored(present) { continue }
            let entry = Relay.Handler(watch: ObjectIdentifier(self), body: handler)
            Relay.handlers.withLock { $0[number, default: []].append(entry) }
            var action = sigaction()
            action.__sigaction_handler.sa_handler = Relay.write
            action.sa_flags = SA_RESTART | (once ? CInt(bitPattern: UInt32(SA_RESETHAND)) : 0)
            sigaction(number, &action, nil)
            before.withLock { $0.append((number, present)) }
        }
    }

    deinit { cancel() }

    /// Ends it. Doing it twice is harmless.
    public func cancel() {
        let before = self.before.withLock { before in
            defer { before.removeAll() }
            return before
        }
        for (number, action) in before {
            var action = action
            sigaction(number, &action, nil)
            Relay.handlers.withLock { handlers in
                handlers[number]?.removeAll { $0.watch == ObjectIdentifier(self) }
            }
        }
    }

    private static func isIgnored(_ action: sigaction) -> Bool {
        action.__sigaction_handler.sa_handler.map { unsafeBitCast($0, to: Int.self) } == 1
    }
}
