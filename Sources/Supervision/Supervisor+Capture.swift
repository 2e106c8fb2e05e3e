// SPDX-License-Identifier: Apache-2.0

internal import AppLogs
internal import LinuxSystem
internal import Logging
internal import PaaSModel

extension Supervisor {
    /// Time after which the beginning of a line is shown without waiting for its end.
    private static let partialLinePause = Duration.milliseconds(200)
    /// Bytes read from one stream at one wake-up, so that a flood of one app cannot hold up the others.
    private static let chunksPerWakeUp = 4
    /// Bytes read from one stream after the end of a run: a FIFO holds at most 1 MiB (pipe(7)).
    private static let chunksAtEnd = 16

    /// Reads what an app printed.
    func capture(_ run: Run, _ stream: LogLine.Stream, of instance: ManagedInstance) {
        read(run, stream, chunks: Self.chunksPerWakeUp)
        guard run.timers[.flushPartials] == nil, let writer = writer(of: run), writer.hasPartial else { return }
        run.timers[.flushPartials] = schedule(after: Self.partialLinePause) { supervisor in
            run.timers[.flushPartials] = nil
            supervisor.writer(of: run)?.flushPartials(at: .now)
        }
    }

    /// Reads what is left after the end of a run.
    func captureRest(of run: Run) {
        read(run, .stdout, chunks: Self.chunksAtEnd)
        read(run, .stderr, chunks: Self.chunksAtEnd)
        cancelTimer(.flushPartials, of: run)
        writer(of: run)?.finish(run.source, at: .now)
    }

    func lastLines(of run: Run) -> [String] {
        writer(of: run)?.lastLines(of: run.source) ?? []
    }

    private func read(_ run: Run, _ stream: LogLine.Stream, chunks: Int) {
        let writer = writer(of: run)
        for _ in 0..<chunks {
            let count: Int?
            do {
                count = try (stream == .stdout ? run.stdout : run.stderr).value.read(into: readBuffer)
            } catch {
                dependencies.logger.error("cannot read an app's output", metadata: ["error": "\(error)"])
                return
            }
            guard let count, count > 0 else { return }
            // Even without a writer the bytes are taken: an app must not hang because its log cannot be opened.
            writer?.append(
                UnsafeRawBufferPointer(rebasing: readBuffer[..<count]), stream: stream, from: run.source, at: .now)
        }
    }

    private func writer(of run: Run) -> AppLogWriter? {
        logWriter(ofApp: run.assignment.appID)
    }

    /// The app's log, opened once. A failure is told once per attempt and does not stop the app.
    func logWriter(ofApp appID: String) -> AppLogWriter? {
        if let writer = logWriters[appID] { return writer }
        do {
            let writer = try dependencies.logs.writer(for: appID)
            logWriters[appID] = writer
            return writer
        } catch {
            dependencies.logger.error("cannot open an app's log", metadata: ["app": "\(appID)", "error": "\(error)"])
            return nil
        }
    }

    /// Writes a line of the platform into the app's log.
    func systemLine(_ text: String, of instance: ManagedInstance) {
        let source = LogSource(
            instanceID: instance.id, instance: instance.assignment.slot, release: instance.assignment.release)
        logWriter(ofApp: instance.assignment.appID)?.system(text, from: source, at: .now)
    }
}
