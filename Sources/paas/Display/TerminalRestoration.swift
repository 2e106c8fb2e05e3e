// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Brings the terminal back even when the program ends where no Swift code can run any more. All of it is plain memory
/// and async-signal-safe calls (signal-safety(7)).
enum TerminalRestoration {
    // Safe: written before the first handler is armed, or from the one thread that enters and leaves; a handler of a
    // dying process reads whatever is there.
    nonisolated(unsafe) private static var before = termios()
    nonisolated(unsafe) private static var hasBefore = false
    nonisolated(unsafe) private static var isActive = false
    nonisolated(unsafe) private static var text: UnsafeMutableRawBufferPointer?

    /// Makes every end of the process restore the terminal.
    static func arm(_ sequence: String) {
        guard text == nil else { return }
        let bytes = Array(sequence.utf8)
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        copy.copyBytes(from: bytes)
        text = copy
        hasBefore = tcgetattr(STDIN_FILENO, &before) == 0
        atexit { TerminalRestoration.leave() }
        for number in [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGHUP, SIGQUIT] {
            signal(number) { number in
                TerminalRestoration.leave()
                signal(number, SIG_DFL)
                raise(number)
            }
        }
    }

    /// Takes keys one by one and without echo.
    ///
    /// - Parameter isRaw: Ctrl-C and Ctrl-Z are keys as well, and output is not changed; otherwise they stay signals.
    static func enter(isRaw: Bool = false) {
        isActive = true
        guard hasBefore else { return }
        var raw = before
        if isRaw { cfmakeraw(&raw) } else { raw.c_lflag &= ~tcflag_t(ICANON | ECHO) }
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw)
    }

    static func leave() {
        guard isActive, let text else { return }
        isActive = false
        _ = write(STDOUT_FILENO, text.baseAddress, text.count)
        if hasBefore { tcsetattr(STDIN_FILENO, TCSADRAIN, &before) }
    }
}
