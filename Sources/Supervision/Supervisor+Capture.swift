// SPDX-License-Identifier: Apache-2.0

internal import AppLogs
internal import LinuxSystem
internal import Logging
internal import PaaSModel

extension Supervisor {
    /// Time after which the beginning of a line is shown without waiting for its end.
    private static let partialLinePause = Duration.milliseconds(200)
    /// How often one stream is read at one wake-up, so that a flood of one app cannot hold up the others.
    private static let chunksPerWakeUp = 1
    /// Pause before the log tells of lines that were dropped.
    private static let dropNoticePause = Duration.seconds(1)
    /// How often one stream is read at the end of a run: a FIFO holds at most 1 MiB (pipe(7)).
    private static let chunksAtEnd = 16

    /// Pause after an error: what is in the FIFO would be reported again at once, and the error with it.
    private static let capturePause = Duration.milliseconds(100)

    /// Waits for what an app prints.
    ///
    /// - Throws: `SystemError` from epoll_ctl(2).
    func watchOutput(of run: Run, _ instance: ManagedInstance) throws(SystemError) {
        for stream in [LogLine.Stream.stdout, .stderr] where run.outputRegistrations[stream] == nil {
            run.outputRegistrations[stream] = try register(Self.pipe(stream, of: run).value, for: .readable) {
                $0.capture(run, stream, of: instance)
            }
        }
    }

    func unwatchOutput(of run: Run) {
        for registration in run.outputRegistrations.values { loop.cancel(registration) }
        run.outputRegistrations.removeAll()
        cancelTimer(.outputPause, of: run)
    }

    private static func pipe(_ stream: LogLine.Stream, of run: Run) -> Shared<OwnedDescriptor> {
        stream == .stdout ? run.stdout : run.stderr
    }

    /// Reads what an app printed.
    func capture(_ run: Run, _ stream: LogLine.Stream, of instance: ManagedInstance) {
        let hasPartial: Bool
        do throws(SystemError) {
            hasPartial = try read(run, stream, chunks: Self.chunksPerWakeUp)
        } catch {
            tellCaptureFails(run, error)
            return pauseOutput(of: run, instance, for: Self.capturePause)
        }
        run.captureFails = false
        if hasPartial, run.timers[.flushPartials] == nil {
            run.timers[.flushPartials] = schedule(after: Self.partialLinePause) { supervisor in
                run.timers[.flushPartials] = nil
                supervisor.flushPartials(of: run)
            }
        }
        guard let writer = writer(of: run) else { return }
        if writer.hasDropped { tellDroppedSoon(run, instance) }
        if writer.pause > .zero { pauseOutput(of: run, instance, for: writer.pause) }
    }

    /// The app prints more than it may, or cannot be read: it is not read for a while, and waits.
    private func pauseOutput(of run: Run, _ instance: ManagedInstance, for pause: Duration) {
        unwatchOutput(of: run)
        run.timers[.outputPause] = schedule(after: pause) { supervisor in
            run.timers[.outputPause] = nil
            guard instance.run === run, !run.isEnding, !supervisor.hasLeft else { return }
            do throws(SystemError) {
                try supervisor.watchOutput(of: run, instance)
            } catch {
                supervisor.tellCaptureFails(run, error)
                supervisor.pauseOutput(of: run, instance, for: Self.capturePause)
            }
        }
    }

    /// Tells how many lines were dropped, once a second at most, and of the first of a run in an event.
    private func tellDroppedSoon(_ run: Run, _ instance: ManagedInstance) {
        if !run.hasToldDrops {
            run.hasToldDrops = true
            report(
                instance,
                [event(.warning, instance, "prints more than log-rate allows; lines are dropped (log-flood is drop)")])
        }
        guard run.timers[.tellDropped] == nil else { return }
        run.timers[.tellDropped] = schedule(after: Self.dropNoticePause) { supervisor in
            run.timers[.tellDropped] = nil
            supervisor.writer(of: run)?.tellDropped(from: run.source, at: .now)
        }
    }

    /// Gives an app's log the rules of an instance, and deletes what is too old by them.
    func applyLogRules(of instance: ManagedInstance) {
        let appID = instance.assignment.appID
        logWriter(of: instance.assignment)?.setRules(lifecycle(of: instance).log)
        dependencies.logs.drains.set(
            lifecycle(of: instance).logDrain.map { .init(app: instance.app.rawValue, address: $0) }, for: appID)
        expireLog(ofApp: appID, keepSeconds: lifecycle(of: instance).log.retention.keepSeconds)
    }

    private func expireLog(ofApp appID: String, keepSeconds: Double?) {
        if let timer = logExpiries.removeValue(forKey: appID) { loop.cancel(timer) }
        guard let keepSeconds, let writer = logWriters[appID], !hasLeft else { return }
        var pause = keepSeconds
        do {
            if let next = try writer.expire(at: .now) { pause = Timestamp.now.seconds(until: next) }
        } catch {
            dependencies.logger.error(
                "cannot delete old log lines; trying again later", metadata: ["error": "\(error)"])
        }
        // The clock may be set meanwhile.
        logExpiries[appID] = schedule(after: .seconds(min(max(pause, 1), 86_400))) {
            $0.expireLog(ofApp: appID, keepSeconds: keepSeconds)
        }
    }

    private func tellCaptureFails(_ run: Run, _ error: SystemError) {
        if !run.captureFails {
            dependencies.logger.error(
                "cannot read an app's output; it is tried again", metadata: ["run": "\(run.id)", "error": "\(error)"])
        }
        run.captureFails = true
    }

    /// Reads what is in a stream, bounded, because what the app has started may still be writing.
    func captureAll(of run: Run, _ stream: LogLine.Stream) {
        do throws(SystemError) {
            _ = try read(run, stream, chunks: Self.chunksAtEnd)
        } catch {
            tellCaptureFails(run, error)
        }
    }

    /// Reads what is left after the end of a run.
    func captureRest(of run: Run) {
        for stream in [LogLine.Stream.stdout, .stderr] { captureAll(of: run, stream) }
        cancelTimer(.flushPartials, of: run)
        cancelTimer(.tellDropped, of: run)
        guard let writer = writer(of: run) else { return }
        run.capture.finish(into: writer, at: .now)
        writer.tellDropped(from: run.source, at: .now)
    }

    func flushPartials(of run: Run) {
        if let writer = writer(of: run) { run.capture.flushPartials(into: writer, at: .now) }
    }

    /// The last lines of a run; of an adopted one those too that an earlier agent wrote.
    func lastLines(of run: Run) -> [String] {
        let lines = writer(of: run)?.lastLines(of: run.source) ?? []
        guard run.isAdopted, lines.count < Defaults.exitReportLines else { return lines }
        let query = LogQuery(
            limit: Defaults.exitReportLines * 4, since: run.record.startedAt, release: run.assignment.release)
        let written = (try? dependencies.logs.reader(for: run.assignment.appID).query(query)) ?? []
        let own = written.filter { $0.instance == run.assignment.slot && $0.stream != .system }.map(\.text)
        return own.count > lines.count ? own.suffix(Defaults.exitReportLines) : lines
    }

    private func read(_ run: Run, _ stream: LogLine.Stream, chunks: Int) throws(SystemError) -> Bool {
        try run.capture.read(
            stream, from: Self.pipe(stream, of: run).value, into: writer(of: run), chunks: chunks, at: .now)
    }

    private func writer(of run: Run) -> AppLogWriter? {
        logWriter(of: run.assignment)
    }

    /// The app's log, opened once. A failure is told once per attempt and does not stop the app.
    func logWriter(of assignment: Assignment) -> AppLogWriter? {
        let appID = assignment.appID
        if let writer = logWriters[appID] { return writer }
        do {
            let writer = try dependencies.logs.writer(
                for: appID, rules: Lifecycle(assignment.spec, configuration).log)
            logWriters[appID] = writer
            return writer
        } catch {
            dependencies.logger.error("cannot open an app's log", metadata: ["app": "\(appID)", "error": "\(error)"])
            return nil
        }
    }

    /// Makes the capture of a run.
    func makeCapture(of assignment: Assignment, runID: String) -> RunCapture {
        let capture = RunCapture(
            source: LogSource(
                instanceID: assignment.instanceID, instance: assignment.slot, release: assignment.release),
            journalPath: directory.captureJournal(ofRun: runID), tools: captureTools)
        if let failure = capture.journalFailure {
            dependencies.logger.warning(
                "a crash of the agent would lose or double some of an app's output",
                metadata: ["app": "\(assignment.app)", "error": "\(failure)"])
        }
        return capture
    }

    /// Writes a line of the platform into the app's log.
    func systemLine(_ text: String, of instance: ManagedInstance) {
        let source = LogSource(
            instanceID: instance.id, instance: instance.assignment.slot, release: instance.assignment.release)
        logWriter(of: instance.assignment)?.system(text, from: source, at: .now)
    }
}
