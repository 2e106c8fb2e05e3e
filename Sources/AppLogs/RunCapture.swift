// SPDX-License-Identifier: Apache-2.0

public import LinuxSystem
public import PaaSModel

/// Takes what one run prints from its FIFOs into its app's log.
///
/// The process may end at any instruction: the next one that makes a `RunCapture` of the same files goes on with neither
/// a byte lost nor one doubled; see `CaptureJournal`, also for the two cases in which that does not hold. Where the
/// journal cannot be made, on a full disk, the chunk that was under way may be doubled, and the beginning of a line lost.
/// Belongs to the thread of the app's writer.
public final class RunCapture {
    /// What captures share on their thread.
    public final class Tools {
        /// Looks into any pipe of this thread.
        public let peek: PipePeek
        /// Bytes read at once; a FIFO holds 64 KiB (pipe(7)).
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)

        /// - Throws: `SystemError` (EMFILE, ENFILE).
        public init() throws(SystemError) { peek = try PipePeek() }

        deinit { buffer.deallocate() }
    }

    /// Whose lines they are.
    public private(set) var source: LogSource
    /// Why there is no journal, for the agent's log.
    public let journalFailure: SystemError?
    private let journal: CaptureJournal?
    private let tools: Tools

    /// - Parameters:
    ///   - source: the instance and the release whose run this is.
    ///   - journalPath: a file of this run alone, which exists only when an earlier process has captured it.
    ///   - tools: what it shares with the other runs of the node.
    public init(source: LogSource, journalPath: String, tools: Tools) {
        self.source = source
        self.tools = tools
        do throws(SystemError) {
            journal = try CaptureJournal(path: journalPath)
            journalFailure = nil
        } catch {
            journal = nil
            journalFailure = error
        }
    }

    /// Undoes what an earlier process had half written into the app's log. Call it before the log's writer is opened.
    ///
    /// - Throws: `AppLogError`.
    public func undoInterruptedWrite(in logs: LogStore, appID: String) throws(AppLogError) {
        for stream in [LogLine.Stream.stdout, .stderr] {
            guard let journal = journal(stream), case .logging(let position) = journal.interruption else { continue }
            try logs.cut(appID, after: position)
            journal.settle()
        }
    }

    /// Takes up where an earlier process had to stop, before the first ``read(_:from:into:chunks:at:)``.
    ///
    /// - Throws: `SystemError`.
    public func resume(
        stdout: borrowing OwnedDescriptor, stderr: borrowing OwnedDescriptor, into writer: AppLogWriter
    ) throws(SystemError) {
        try resume(.stdout, from: stdout, into: writer)
        try resume(.stderr, from: stderr, into: writer)
    }

    private func resume(
        _ stream: LogLine.Stream, from pipe: borrowing OwnedDescriptor, into writer: AppLogWriter
    ) throws(SystemError) {
        guard let journal = journal(stream) else { return }
        if case .discarding(let count, let hash) = journal.interruption {
            let head = UnsafeMutableRawBufferPointer(rebasing: tools.buffer[..<min(count, tools.buffer.count)])
            let found = try tools.peek.peek(pipe, into: head)
            // Less is there, or something else: they were taken out, only the last step was not noted any more.
            if found == head.count, CaptureJournal.hash(UnsafeRawBufferPointer(head)) == hash {
                try tools.peek.discard(count, from: pipe)
            }
            journal.settle()
        }
        let (bytes, isContinuing) = journal.rest
        writer.resume(source, stream, rest: bytes, isContinuing: isContinuing)
    }

    /// Brings what is in a stream into the log.
    ///
    /// - Parameters:
    ///   - stream: which of the two.
    ///   - pipe: the FIFO's read side.
    ///   - writer: nil where the log cannot be opened: the bytes are taken all the same, or the app would hang.
    ///   - chunks: how often at most 64 KiB are read.
    ///   - time: when it was read, for the records.
    /// - Returns: the beginning of a line waits for its end; call ``flushPartials(into:at:)`` after a moment.
    /// - Throws: `SystemError`.
    public func read(
        _ stream: LogLine.Stream, from pipe: borrowing OwnedDescriptor, into writer: AppLogWriter?, chunks: Int,
        at time: Timestamp
    ) throws(SystemError) -> Bool {
        for _ in 0..<chunks {
            let count = try tools.peek.peek(pipe, into: tools.buffer)
            if count == 0 { break }
            let chunk = UnsafeRawBufferPointer(rebasing: tools.buffer[..<count])
            let journal = journal(stream)
            if let writer {
                journal?.beginLogging(at: writer.position)
                writer.append(chunk, stream: stream, from: source, at: time, isVisible: false)
                journal?.beginDiscarding(
                    count: count, hash: CaptureJournal.hash(chunk), rest: writer.rest(of: source, stream))
            }
            try tools.peek.discard(count, from: pipe)
            journal?.settle()
            writer?.makeVisible()
        }
        guard let writer else { return false }
        return !writer.rest(of: source, stream).bytes.isEmpty
    }

    /// Writes the beginnings of lines that wait for their end, marked as partial.
    public func flushPartials(into writer: AppLogWriter, at time: Timestamp) {
        for stream in [LogLine.Stream.stdout, .stderr] where !writer.rest(of: source, stream).bytes.isEmpty {
            write(stream, into: writer) { writer.flushPartial(of: source, stream, at: time) }
        }
    }

    /// From now on the lines are those of another release: the limits of the run were changed while it lives.
    public func relabel(_ source: LogSource, into writer: AppLogWriter, at time: Timestamp) {
        flushPartials(into: writer, at: time)
        self.source = source
        writer.relabel(source)
    }

    /// The run has ended and its FIFOs are drained: ends the lines that it left open.
    public func finish(into writer: AppLogWriter, at time: Timestamp) {
        for stream in [LogLine.Stream.stdout, .stderr] {
            write(stream, into: writer) { writer.finish(source, stream, at: time) }
        }
    }

    private func write(_ stream: LogLine.Stream, into writer: AppLogWriter, _ body: () -> Void) {
        let journal = journal(stream)
        journal?.beginLogging(at: writer.position)
        body()
        journal?.beginDiscarding(count: 0, hash: 0, rest: writer.rest(of: source, stream))
        journal?.settle()
        writer.makeVisible()
    }

    private func journal(_ stream: LogLine.Stream) -> CaptureJournal.Stream? {
        journal?.stream(stream == .stdout ? 0 : 1)
    }
}
