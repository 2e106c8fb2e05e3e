// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem
internal import Synchronization

/// Compresses segments to which nothing is added any more: one at a time, on a thread of its own that gets of processor and
/// disk only what others leave. Any thread may use it.
///
/// What waits is a log and a number, not a segment, so it needs little memory, and what is deleted before its turn comes is
/// not compressed. A segment that cannot be compressed, on a full disk, stays as it is until the log has the next one.
final class LogCompressor: Sendable {
    private struct State {
        /// Numbers below which segments are closed, by the directory of the log.
        var waiting: [String: UInt64] = [:]
        /// Directories in the order of their turns.
        var turns: [String] = []
        var isWorking = false
        var isClosed = false
    }

    private let state = Mutex(State())
    private let thread = Mutex<EventLoop?>(nil)
    private let didCompress: @Sendable () -> Void

    /// - Parameter didCompress: called on the thread after each segment.
    init(didCompress: @escaping @Sendable () -> Void = {}) { self.didCompress = didCompress }

    /// Compresses what a log has of segments below a number. They, and what is in them, will stay: no crash takes them back.
    func compress(below number: UInt64, in directory: SegmentDirectory) {
        let mustStart = state.withLock { state in
            guard !state.isClosed else { return false }
            if state.waiting.updateValue(number, forKey: directory.path) == nil { state.turns.append(directory.path) }
            defer { state.isWorking = true }
            return !state.isWorking
        }
        guard mustStart else { return }
        guard let loop = startedLoop() else { return state.withLock { $0.isWorking = false } }
        loop.execute { self.work() }
    }

    /// Nothing happens in a directory any more once this has returned, but that a file without a name of a segment may go.
    func forget(_ directory: SegmentDirectory) {
        state.withLock { state in
            state.waiting[directory.path] = nil
            state.turns.removeAll { $0 == directory.path }
        }
    }

    /// Nothing is compressed any more: another agent has the logs.
    func close() { state.withLock { $0 = State(isWorking: $0.isWorking, isClosed: true) } }

    /// The thread, made with the first log that is to be compressed; nil when the kernel gives none.
    private func startedLoop() -> EventLoop? {
        thread.withLock { thread in
            if let thread { return thread }
            guard let made = try? EventLoop() else { return nil }
            made.start(threadName: "log-compressor", inBackground: true)
            thread = made
            return made
        }
    }

    private func work() {
        let compressor = BlockCompressor()
        while let (path, end) = nextTurn() {
            let isLeft = (try? compressOldest(in: SegmentDirectory(path: path), below: end, with: compressor)) ?? false
            state.withLock { state in
                guard let wanted = state.waiting[path] else { return }
                // The others first. Meanwhile one more may have been closed.
                if isLeft || wanted != end { state.turns.append(path) } else { state.waiting[path] = nil }
            }
        }
    }

    private func nextTurn() -> (path: String, end: UInt64)? {
        state.withLock { state in
            while !state.turns.isEmpty {
                let path = state.turns.removeFirst()
                if let end = state.waiting[path] { return (path, end) }
            }
            state.isWorking = false
            return nil
        }
    }

    private func isWanted(_ directory: SegmentDirectory) -> Bool {
        state.withLock { $0.waiting[directory.path] != nil }
    }

    /// - Returns: there may be more to do.
    private func compressOldest(
        in directory: SegmentDirectory, below end: UInt64, with compressor: BlockCompressor
    ) throws(SystemError) -> Bool {
        for segment in try directory.segments() where segment.number < end && (segment.plainBytes ?? 0) > 0 {
            let isDone = try SegmentCompression(of: segment.number, in: directory).run(
                with: compressor, isWanted: { isWanted(directory) },
                commit: { rename in state.withLock { $0.waiting[directory.path] != nil && rename() } })
            if isDone {
                didCompress()
                return true
            }
            guard isWanted(directory) else { return false }
        }
        return false
    }
}
