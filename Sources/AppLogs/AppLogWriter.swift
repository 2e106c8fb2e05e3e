// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem
public import PaaSModel

/// Writes the log of one app: takes what its instances print, cut anywhere, and appends records to the segments.
///
/// Exactly one writer may exist for a directory. It belongs to one thread, makes one write(2) per call (more when a
/// call brings over 128 KiB of records), and never fails an app: what a full disk refuses is dropped and counted, see
/// ``failure``. Records of stdout and stderr stand in the order in which the caller read the two.
public final class AppLogWriter {
    private final class Run {
        let tag: [UInt8]
        var stdout = LineAssembler()
        var stderr = LineAssembler()
        var recent = RecentLines()

        init(tag: [UInt8]) { self.tag = tag }
    }

    /// Wakes the followers of this log; signalled after every call that wrote.
    public let notifier: LogNotifier
    private var segments: SegmentWriter
    private var runs: [String: Run] = [:]

    /// Opens the log, and repairs a torn last record of a writer that crashed.
    ///
    /// - Parameters:
    ///   - directory: created when it does not exist, for its owner alone.
    ///   - segmentBytes: size at which a segment is closed and the next one begun.
    ///   - segments: number of segments kept, the newest included; older ones are deleted.
    /// - Throws: `AppLogError.storage`.
    public convenience init(
        directory: String, segmentBytes: Int = Defaults.logSegmentBytes, segments: Int = Defaults.logSegments,
        notifier: LogNotifier = LogNotifier()
    ) throws(AppLogError) {
        try self.init(directory: directory, segmentBytes: segmentBytes, segments: segments, notifier: notifier) {
            let count = Glibc.write($0, $1.baseAddress, $1.count)
            return count >= 0 ? count : -Int(errno)
        }
    }

    init(
        directory: String, segmentBytes: Int, segments: Int, notifier: LogNotifier,
        write: @escaping SegmentWriter.Write
    ) throws(AppLogError) {
        self.notifier = notifier
        do {
            self.segments = try SegmentWriter(
                directory: SegmentDirectory(path: directory), segmentBytes: segmentBytes, segments: segments,
                write: write)
        } catch {
            throw .storage(error)
        }
    }

    /// Takes bytes that an instance printed; complete lines are on their way to the disk when this returns.
    ///
    /// - Parameters:
    ///   - bytes: any bytes, not kept after the call.
    ///   - stream: `stdout` or `stderr`; ``system(_:from:at:)`` is for the platform's own lines.
    ///   - time: when the bytes were read; all records of one call have it.
    public func append(
        _ bytes: UnsafeRawBufferPointer, stream: LogLine.Stream, from source: LogSource, at time: Timestamp
    ) {
        let run = run(of: source)
        switch stream {
        case .stdout: run.stdout.append(bytes) { add($0, stream, $1, run, time) }
        case .stderr: run.stderr.append(bytes) { add($0, stream, $1, run, time) }
        case .system: preconditionFailure("an app has no stream 'system'; use system(_:from:at:)")
        }
        store()
    }

    /// A line has begun and not ended: call ``flushPartials(at:)`` after a moment.
    public var hasPartial: Bool {
        runs.values.contains { $0.stdout.hasPartial || $0.stderr.hasPartial }
    }

    /// Writes the beginnings of lines that wait for their end, marked as partial.
    public func flushPartials(at time: Timestamp) {
        for run in runs.values {
            run.stdout.flush { add($0, .stdout, $1, run, time) }
            run.stderr.flush { add($0, .stderr, $1, run, time) }
        }
        store()
    }

    /// The run has ended and its pipes are drained: ends the lines that it left open.
    public func finish(_ source: LogSource, at time: Timestamp) {
        guard let run = runs[source.instanceID] else { return }
        run.stdout.finish { add($0, .stdout, $1, run, time) }
        run.stderr.finish { add($0, .stderr, $1, run, time) }
        store()
    }

    /// Writes a line of the platform about an instance; a text of several lines becomes several records.
    public func system(_ text: String, from source: LogSource, at time: Timestamp) {
        let tag = source.tag
        var lines = LineAssembler()
        let sink: LineAssembler.Sink = { self.segments.add($0, stream: .system, isFull: $1, tag: tag, at: time) }
        Array(text.utf8).withUnsafeBytes { lines.append($0, sink: sink) }
        lines.finish(sink: sink)
        store()
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

    /// Why the last write failed, for the agent's own log; nil when it worked.
    public var failure: AppLogError? { segments.failure.map { .storage($0) } }

    private func run(of source: LogSource) -> Run {
        if let run = runs[source.instanceID] { return run }
        let run = Run(tag: source.tag)
        runs[source.instanceID] = run
        return run
    }

    private func add(
        _ text: UnsafeRawBufferPointer, _ stream: LogLine.Stream, _ isFull: Bool, _ run: Run, _ time: Timestamp
    ) {
        segments.add(text, stream: stream, isFull: isFull, tag: run.tag, at: time)
        run.recent.add(text, stream: stream, isFull: isFull)
    }

    private func store() {
        segments.flush()
        notifier.signal()
    }
}
