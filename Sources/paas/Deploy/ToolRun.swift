// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import ProgramSupport

/// One run of a system tool, with its standard error kept.
struct ToolRun {
    /// Exit code, or 128 + signal.
    let code: Int32
    /// The last line that it wrote to standard error.
    let complaint: String?

    /// Runs a program of `PATH` to its end. Blocks.
    ///
    /// - Throws: `CommandFailure` when it cannot be started.
    init(_ arguments: [String]) throws {
        var ends: [CInt] = [0, 0]
        guard pipe(&ends) == 0 else { throw CommandFailure(.failure, "pipe: \(String(cString: strerror(errno)))") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO)
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var child: pid_t = 0
        let failure = posix_spawnp(&child, arguments[0], &actions, nil, &words, environ)
        close(ends[1])
        defer { close(ends[0]) }
        guard failure == 0 else {
            throw CommandFailure(
                .failure, "\(arguments[0]) cannot be started: \(String(cString: strerror(failure)))",
                hint: "install it: apt-get install \(arguments[0])")
        }
        let said = Self.readAll(ends[0])
        var status: CInt = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        code = status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
        complaint = said.split(separator: "\n").last.map(String.init)
    }

    /// Everything up to the end, of which the last 64 KiB are kept.
    private static func readAll(_ descriptor: CInt) -> String {
        var kept: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return String(decoding: kept, as: UTF8.self) }
            kept = Array((kept + buffer[..<count]).suffix(64 << 10))
        }
    }
}
