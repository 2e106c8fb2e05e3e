// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem
public import PaaSModel

/// Writes the log of one app: takes what its instances print, cut anywhere, and appends records to the segments.
///
/// Exactly one writer may exist for a directory. It belongs to one thread, makes one write(2) per call (more when a
/// call brings over 128 KiB of records, one for every 64 KiB to the index), and never fails an app: what a full disk refuses
/// is dropped and counted, see ``failure``. Records of stdout and stderr stand in the order in which the caller read the two.
public final class AppLogWriter {
    private final class Run {
        var tag: [UInt8]
        var release: UInt32?
        let stdout = Stream()
        let stderr = Stream()
        var recent = RecentLines()

        init(_ source: LogSource) {
            tag = source.tag
            release = source.releaseNumber
        }

        func stream(_ stream: LogLine.Stream) -> Stream { stream == .stdout ? stdout : stderr }
    }

    /// One of the two streams of a run.
    private final class Stream {
        var lines = LineAssembler()
        /// The log has pieces of the current line, and not its end.
        var isOpen = false
        /// The log does not get the rest of the current line.
        var isDropping = false
    }

    /// Wakes the followers of this log; signalled after every call that wrote, but for those that say otherwise.
    public let notifier: LogNotifier
    private let directory: SegmentDirectory
    private var segments: SegmentWriter
    private let compressor: LogCompressor?
    private var compression = LogCompression.none
    /// Segments below it were given to the compressor.
    private var compressedBelow: UInt64 = 0
    private var runs: [String: Run] = [:]
    private var control = FloodControl()
    private var givenRate: Int64?
    /// Dropped since this writer began, and since a system line told of it.
    private var droppedByRate: (lines: Int, bytes: Int64) = (0, 0)
    private var untold: (lines: Int, bytes: Int64) = (0, 0)

    /// Opens the log, and repairs a torn last record of a writer that crashed.
    ///
    /// - Parameters:
    ///   - directory: created when it does not exist, for its owner alone.
    ///   - retention: how much is kept.
    ///   - buffer: shared by the writers of one thread; nil for one of its own.
    ///   - willBegin: called before a segment begins, with the bytes that it will have.
    /// - Throws: `AppLogError.storage`.
    convenience init(
        directory: String, retention: LogRetention = LogRetention(), buffer: RecordBuffer? = nil,
        notifier: LogNotifier = LogNotifier(), compressor: LogCompressor? = nil,
        willBegin: @escaping (Int) throws(SystemError) -> Void = { _ in }
    ) throws(AppLogError) {
        try self.init(
            directory: directory, retention: retention, buffer: buffer, notifier: notifier, compressor: compressor,
            willBegin: willBegin
        ) {
            let count = Glibc.write($0, $1.baseAddress, $1.count)
            return count >= 0 ? count : -Int(errno)
        }
    }

    init(
        directory: String, retention: LogRetention, buffer: RecordBuffer? = nil, notifier: LogNotifier,
        compressor: LogCompressor? = nil, willBegin: @escaping (Int) throws(SystemError) -> Void = { _ in },
        write: @escaping SegmentWriter.Write
    ) throws(AppLogError) {
        self.notifier = notifier
        self.compressor = compressor
        self.directory = SegmentDirectory(path: directory)
        do {
            self.segments = try SegmentWriter(
                directory: self.directory, retention: retention, buffer: buffer ?? RecordBuffer(),
                willBegin: willBegin, write: write)
        } catch {
            throw .storage(error)
        }
        notifier.signal(visibleEnd: segments.position)
    }

    /// Takes bytes that an instance printed; complete lines are on their way to the disk when this returns.
    ///
    /// - Parameters:
    ///   - bytes: any bytes, not kept after the call.
    ///   - stream: `stdout` or `stderr`; ``system(_:from:at:)`` is for the platform's own lines.
    ///   - source: the instance and the release that printed them.
    ///   - time: when the bytes were read; all records of one call have it.
    ///   - isVisible: readers may see them; otherwise `makeVisible` says when.
    public func append(
        _ bytes: UnsafeRawBufferPointer, stream: LogLine.Stream, from source: LogSource, at time: Timestamp,
        isVisible: Bool = true
    ) {
        precondition(stream != .system, "an app has no stream 'system'; use system(_:from:at:)")
        let run = run(of: source)
        segments.begin(stream, tag: run.tag, release: run.release, at: time)
        control.refill(at: .now)
        // Of a flood only the end can be among the last lines: the pieces before it need not be looked at.
        let recent = run.recent.isOpen(stream) ? nil : Self.recentPart(of: bytes)
        let state = run.stream(stream)
        let sink: LineAssembler.Sink = { text, isFull in
            self.store(text, isFull: isFull, of: state)
            // A text that was put together of two calls is not in `bytes`.
            if let recent, let start = text.baseAddress, let first = bytes.baseAddress, start >= first, start < recent {
                return
            }
            run.recent.add(text, stream: stream, isFull: isFull)
        }
        state.lines.append(bytes, sink: sink)
        segments.flush()
        if isVisible { makeVisible() }
    }

    /// Where the last lines begin that ``RecentLines`` has room for; nil when it has for all.
    private static func recentPart(of bytes: UnsafeRawBufferPointer) -> UnsafeRawPointer? {
        guard bytes.count > 4_096, let base = bytes.baseAddress else { return nil }
        var end = bytes.count
        for _ in 0...RecentLines.maxLines {
            guard let newline = UnsafeRawBufferPointer(rebasing: bytes[..<end]).lastOffset(of: 0x0A) else { return nil }
            end = newline
        }
        return base + end + 1
    }

    /// Readers may see everything that was written: it will stay, also when this process ends at once.
    func makeVisible() {
        notifier.signal(visibleEnd: segments.position)
        compressClosed()
    }

    /// Of segments that are closed and whole, which no crash takes a line back from.
    private func compressClosed() {
        let newest = segments.position.segment
        guard compression == .zstd, newest > compressedBelow else { return }
        compressedBelow = newest
        compressor?.compress(below: newest, in: directory)
    }

    /// Writes the beginning of a line that waits for its end, marked as partial. Readers see it after ``makeVisible()``.
    func flushPartial(of source: LogSource, _ stream: LogLine.Stream, at time: Timestamp) {
        end(source, stream, at: time) { $0.flush(sink: $1) }
    }

    /// The run has ended and the pipe is drained: ends the line that it left open. Readers see it after ``makeVisible()``.
    func finish(_ source: LogSource, _ stream: LogLine.Stream, at time: Timestamp) {
        end(source, stream, at: time) { $0.finish(sink: $1) }
    }

    private func end(
        _ source: LogSource, _ stream: LogLine.Stream, at time: Timestamp,
        _ body: (inout LineAssembler, LineAssembler.Sink) -> Void
    ) {
        guard let run = runs[source.instanceID] else { return }
        segments.begin(stream, tag: run.tag, release: run.release, at: time)
        let state = run.stream(stream)
        let sink: LineAssembler.Sink = { text, isFull in
            self.store(text, isFull: isFull, of: state)
            run.recent.add(text, stream: stream, isFull: isFull)
        }
        body(&state.lines, sink)
        segments.flush()
    }

    /// From now on the lines of an instance are those of another release. No beginning of a line waits.
    func relabel(_ source: LogSource) {
        runs[source.instanceID]?.tag = source.tag
        runs[source.instanceID]?.release = source.releaseNumber
    }

    /// What waits of a stream's current line, and whether a part of that line is written already.
    func rest(of source: LogSource, _ stream: LogLine.Stream) -> (bytes: [UInt8], isContinuing: Bool) {
        runs[source.instanceID]?.stream(stream).lines.rest ?? ([], false)
    }

    /// Goes on in the middle of a line where an earlier writer had to stop.
    func resume(_ source: LogSource, _ stream: LogLine.Stream, rest bytes: [UInt8], isContinuing: Bool) {
        run(of: source).stream(stream).lines.resume(bytes, isContinuing: isContinuing)
    }

    /// Where the next record goes.
    var position: LogPosition { segments.position }

    /// Writes a line of the platform about an instance; a text of several lines becomes several records.
    public func system(_ text: String, from source: LogSource, at time: Timestamp) {
        var lines = LineAssembler()
        segments.begin(.system, tag: source.tag, release: source.releaseNumber, at: time)
        let sink: LineAssembler.Sink = { self.segments.add($0, isFull: $1) }
        Array(text.utf8).withUnsafeBytes { lines.append($0, sink: sink) }
        lines.finish(sink: sink)
        segments.flush()
        makeVisible()
    }

    /// Writes lines about requests, in their order.
    public func access(_ lines: [AccessLine]) {
        // Most lines are of the same instance as the one before.
        var last: (source: LogSource, tag: [UInt8], release: UInt32?)?
        for line in lines {
            let writer: (source: LogSource, tag: [UInt8], release: UInt32?)
            if let last, last.source == line.source {
                writer = last
            } else {
                writer = (line.source, line.source.tag, line.source.releaseNumber)
                last = writer
            }
            segments.begin(.access, tag: writer.tag, release: writer.release, at: line.time)
            line.text.prefix(LogRecord.maxTextBytes).withUnsafeBytes { segments.add($0, isFull: true) }
        }
        segments.flush()
        makeVisible()
    }

    /// The newest lines of an instance's stdout and stderr since it was last forgotten, oldest first, at most
    /// `Defaults.exitReportLines`; of each at most 1 KiB, then `…`.
    public func lastLines(_ count: Int = Defaults.exitReportLines, of source: LogSource) -> [String] {
        runs[source.instanceID]?.recent.last(count) ?? []
    }

    /// Frees what is kept in memory for an instance, once its run is finished and reported. Nothing on disk changes.
    public func forget(_ source: LogSource) {
        runs[source.instanceID] = nil
    }

    /// Lines that the disk has refused and that no system line has told of yet.
    public var droppedLines: Int { segments.dropped }

    /// Takes new rules; how much is kept changes with the next segment.
    public func setRules(_ rules: LogRules) {
        segments.retention = rules.retention
        compression = rules.compression
        compressClosed()
        guard rules.flood != control.policy || rules.rate != givenRate else { return }
        givenRate = rules.rate
        control = FloodControl(policy: rules.flood, rate: rules.rate)
    }

    /// How long the app's output should not be read, because it printed too much; zero when it may be.
    public var pause: Duration { control.pause }

    /// Lines were dropped because the app printed too much, and no system line has told of them yet.
    public var hasDropped: Bool { untold.lines > 0 }

    /// Tells how many lines were dropped.
    public func tellDropped(from source: LogSource, at time: Timestamp) {
        guard hasDropped else { return }
        let (lines, size) = (untold.lines, ByteCount(bytes: untold.bytes))
        untold = (0, 0)
        let rate = ByteCount(bytes: control.rate ?? 0)
        system(
            "\(lines) line\(lines == 1 ? " was" : "s were") dropped (\(size)): more than \(rate) a second (log-rate)",
            from: source, at: time)
    }

    /// How the log is kept and what was dropped. Reads the sizes of files.
    public var inspection: LogInspection {
        var found = LogInspection(
            sizeBytes: segments.storedBytes, maxSizeBytes: segments.retention.maxBytes,
            keepSeconds: segments.retention.keepSeconds, flood: control.policy, rateBytesPerSecond: control.rate)
        (found.droppedLines, found.droppedBytes) = droppedByRate
        found.compression = compression
        found.failure = failure.map { "\($0)" }
        return found
    }

    /// Stores a piece of a line, or drops it. What is dropped is the rest of a line: what is stored of it is closed.
    private func store(_ text: UnsafeRawBufferPointer, isFull: Bool, of stream: Stream) {
        if !stream.isDropping, control.take(text.count + 46) {
            segments.add(text, isFull: isFull)
            stream.isOpen = !isFull
            return
        }
        if isFull, stream.isOpen {
            segments.add(UnsafeRawBufferPointer(start: nil, count: 0), isFull: true)
            stream.isOpen = false
        }
        stream.isDropping = !isFull
        droppedByRate.lines += isFull ? 1 : 0
        droppedByRate.bytes += Int64(text.count)
        untold.lines += isFull ? 1 : 0
        untold.bytes += Int64(text.count)
    }

    /// Deletes what is older than is kept.
    ///
    /// - Returns: when there will be something to delete again; nil when not before there are new lines.
    /// - Throws: `AppLogError.storage`.
    public func expire(at now: Timestamp) throws(AppLogError) -> Timestamp? {
        do {
            return try segments.expire(at: now)
        } catch {
            throw .storage(error)
        }
    }

    /// Why the last write failed, for the agent's own log; nil when it worked.
    public var failure: AppLogError? { segments.failure.map { .storage($0) } }

    private func run(of source: LogSource) -> Run {
        if let run = runs[source.instanceID] { return run }
        let run = Run(source)
        runs[source.instanceID] = run
        return run
    }
}
