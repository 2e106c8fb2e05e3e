// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Glibc
internal import ProgramSupport
internal import Synchronization

/// The terminal in full-screen mode: alternate screen, no echo, keys one by one. However the program ends, the terminal
/// is as it was before: ``leave()`` does it, and so do exit(3), SIGHUP and a crash.
final class Terminal: Sendable {
    /// What comes from the terminal.
    enum Input: Sendable {
        case keys([Key])
        /// The size changed, or the program was stopped and goes on: everything must be drawn again.
        case redraw
    }

    // Alternate screen, hidden cursor, no wrapping of long lines; and back.
    private static let begin = "\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l\u{1B}[2J"
    private static let end = "\u{1B}[0m\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l"

    private struct State: @unchecked Sendable {
        // Safe: the sources are made once, and only cancelled afterwards, by whoever holds the mutex.
        var sources: [any DispatchSourceProtocol] = []
        var signals: SignalWatch?
        var shown: [String] = []
        /// The shell has the terminal.
        var isSuspended = false
    }

    private let output = OutputStream.standard
    private let state = Mutex(State())

    /// Enters full-screen mode.
    init() {
        TerminalRestoration.arm(Self.end)
        TerminalRestoration.enter()
        output.write(Self.begin)
    }

    /// Back to the screen before. Doing it twice is harmless.
    func leave() {
        state.withLock { state in
            for source in state.sources { source.cancel() }
            state.sources.removeAll()
            state.signals?.cancel()
        }
        TerminalRestoration.leave()
    }

    /// Columns and lines.
    var size: (columns: Int, lines: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Draws a screen: only the lines that changed, in one piece that terminals which can do so show at once.
    func draw(_ lines: [String]) {
        // Written under the lock: a screen that is drawn after the terminal was given back would overwrite the shell's.
        state.withLock { state in
            guard !state.isSuspended else { return }
            var text = ""
            for (index, line) in lines.enumerated() where index >= state.shown.count || state.shown[index] != line {
                text += "\u{1B}[\(index + 1);1H\(line)\u{1B}[K"
            }
            if state.shown.count > lines.count { text += "\u{1B}[\(lines.count + 1);1H\u{1B}[J" }
            state.shown = lines
            if !text.isEmpty { output.write("\u{1B}[?2026h\(text)\u{1B}[?2026l") }
        }
    }

    /// Keys and redraws, until ``leave()``.
    func inputs() -> AsyncStream<Input> {
        let (stream, continuation) = AsyncStream.makeStream(of: Input.self)
        var sources: [any DispatchSourceProtocol] = []
        if isatty(STDIN_FILENO) == 1 {
            let keys = DispatchSource.makeReadSource(fileDescriptor: STDIN_FILENO, queue: .global())
            keys.setEventHandler {
                var buffer = [UInt8](repeating: 0, count: 256)
                let count = read(STDIN_FILENO, &buffer, buffer.count)
                if count > 0 { continuation.yield(.keys(Key.parse(Array(buffer[..<count])))) }
                // The terminal is gone: nobody can press q any more, and it would be readable for ever.
                if count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN) { keys.cancel() }
            }
            sources.append(keys)
        }
        let signals = SignalWatch(of: [SIGWINCH, SIGTSTP, SIGCONT], evenIgnored: true) { [self] number in
            switch number {
            case SIGTSTP: return suspend()
            case SIGCONT: resume()
            default: break
            }
            redrawAll()
            continuation.yield(.redraw)
        }
        for source in sources { source.activate() }
        state.withLock { state in
            state.sources = sources
            state.signals = signals
        }
        return stream
    }

    private func redrawAll() { state.withLock { $0.shown = [] } }

    /// Gives the terminal to the shell, and stops as the kernel would have done.
    private func suspend() {
        let isFirst = state.withLock { state in
            defer { state.isSuspended = true }
            return !state.isSuspended
        }
        guard isFirst else { return }
        TerminalRestoration.leave()
        // Another thread may be the one that takes it (signal(7)), so this one runs on for a moment: what belongs after
        // `fg` waits for SIGCONT.
        kill(getpid(), SIGSTOP)
    }

    /// Takes the terminal back after `fg`.
    private func resume() {
        guard state.withLock({ $0.isSuspended }) else { return }
        TerminalRestoration.enter()
        output.write(Self.begin)
        state.withLock { $0.isSuspended = false }
    }
}
