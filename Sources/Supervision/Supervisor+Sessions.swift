// SPDX-License-Identifier: Apache-2.0

internal import Cgroups
internal import Glibc
internal import LinuxSystem
internal import Logging
public import PaaSModel
internal import Sandbox

/// Commands that people run beside apps: in a running instance, or in a fresh sandbox. They are not supervised: nobody
/// starts them again, and none outlives the agent.
extension Supervisor {
    /// Commands on this node at the same time.
    public static let maxSessions = 64
    /// Commands of one app at the same time.
    public static let maxSessionsPerApp = 16
    /// Time from SIGHUP to the kill when whoever started the command is gone.
    private static let hangUpGrace = Duration.seconds(5)

    /// Starts a command. It runs until it ends, or until ``hangUp(_:)`` or ``kill(_:)``.
    ///
    /// - Throws: `SupervisionError` or another error that describes itself in one sentence, when it cannot be started. That
    ///   the program is not there is an end and no error.
    public func openSession(_ order: SessionOrder) async throws -> CommandSession {
        try checkRoom(for: order)
        switch order.place {
        case .instance: return try startInInstance(order)
        case .sandbox:
            let app = order.assignment.appID
            let path = appDirectory(of: order.assignment)
            if let bundle = order.assignment.spec.bundle, !directory.exists(path) {
                try await unpack(bundle, into: path, ofApp: app)
                try checkRoom(for: order)
            }
            guard needsDiskTurn(order.assignment) else { return try startInSandbox(order, appDirectory: path) }
            await takeDiskTurn(ofApp: app)
            defer { endDiskTurn(ofApp: app) }
            _ = try await prepareDisk(of: order.assignment)
            try checkRoom(for: order)
            return try startInSandbox(order, appDirectory: path)
        }
    }

    /// Returns how a command ended, when nothing that is the command's own is left. To be called once.
    public func end(of session: CommandSession) async -> SessionEnd {
        if let end = session.end, sessions[session.id] == nil { return end }
        return await withCheckedContinuation { session.waiter = $0 }
    }

    /// Sends the command's process group a signal; those that `paas-init` does not forward are ignored.
    public func signal(_ session: CommandSession, _ number: Int32) {
        guard session.end == nil, Self.forwardedSignals.contains(number) else { return }
        _ = try? session.process.value.send(signal: number)
    }

    /// Nobody is there any more: SIGHUP, and a kill for what does not mind it.
    public func hangUp(_ session: CommandSession) {
        guard sessions[session.id] != nil, session.killTimer == nil else { return }
        signal(session, SIGHUP)
        signal(session, SIGCONT)
        session.killTimer = schedule(after: Self.hangUpGrace) { $0.kill(session) }
    }

    /// Ends the command at once.
    public func kill(_ session: CommandSession) {
        guard sessions[session.id] != nil else { return }
        do {
            if session.ownsCgroup {
                try session.cgroup.kill()
                session.wasKilled = true
                return
            }
            try session.process.value.send(signal: RunPlan.killSignal)
        } catch {
            dependencies.logger.error("cannot kill a command", metadata: ["error": "\(error)"])
        }
    }

    /// Ends every command of an app that is destroyed.
    func killSessions(ofApp appID: String) {
        for session in sessions.values where session.appID == appID { kill(session) }
    }

    private static let forwardedSignals: Set<Int32> = [
        SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT,
    ]

    private func checkRoom(for order: SessionOrder) throws {
        guard !hasLeft else {
            throw SupervisionError("another agent takes over this node; try again in a moment", isPermanent: false)
        }
        guard !purgeRequested.contains(order.assignment.appID) else {
            throw SupervisionError("the app is being destroyed", isPermanent: true)
        }
        let ofApp = sessions.values.count { $0.appID == order.assignment.appID }
        guard sessions.count < Self.maxSessions, ofApp < Self.maxSessionsPerApp else {
            let limit =
                ofApp < Self.maxSessionsPerApp
                ? "\(Self.maxSessions) commands run on this node" : "\(Self.maxSessionsPerApp) commands of this app run"
            throw SupervisionError("\(limit) already; end one of them first", isPermanent: false)
        }
    }

    // MARK: In an instance

    private func startInInstance(_ order: SessionOrder) throws -> CommandSession {
        let instance = try runningInstance(order)
        guard let run = instance.run, let target = run.process else {
            throw SupervisionError("\(instance.assignment.slot) does not run now", isPermanent: false)
        }
        var assignment = run.assignment
        // What was in force at the start of the run, whatever the node could give now.
        assignment.spec.network = run.record.network ?? .host
        Self.fill(&assignment, order)
        let appID = assignment.appID
        let plan = try dependencies.planner.joiningPlan(
            assignment: assignment, port: Int(run.record.port), userID: users.userID(ofApp: appID),
            directories: try directories(of: assignment, app: appDirectory(of: assignment)))
        let start = SessionStart(instance: assignment.slot, release: assignment.release)
        return try spawn(
            plan, order, start: start, bundle: nil, cgroup: run.cgroup, ownsCgroup: false,
            target: target.value.pidfd.rawValue, egress: nil)
    }

    private func runningInstance(_ order: SessionOrder) throws -> ManagedInstance {
        let members = instances.values.filter { $0.assignment.appID == order.assignment.appID }
            .sorted { ($0.assignment.slot, $0.id) < ($1.assignment.slot, $1.id) }
        let alive = members.filter { member in
            guard let run = member.run, !run.isEnding, run.record.appPID != nil else { return false }
            return order.request.instance == nil || member.assignment.slot == order.request.instance
        }
        // While a release is rolled out there are two of a slot: the one that serves.
        if let found = alive.first(where: { $0.machine.state == .running }) ?? alive.first { return found }
        let name = order.request.instance.map { "the instance '\($0)'" } ?? "an instance that runs"
        throw SupervisionError(
            "\(order.assignment.app) has not \(name) now; 'paas status \(order.assignment.app)' shows what there is",
            isPermanent: false)
    }

    // MARK: In a sandbox of its own

    private func startInSandbox(_ order: SessionOrder, appDirectory: String) throws -> CommandSession {
        var assignment = order.assignment
        let id = Self.makeRunID()
        assignment.slot = "run.\(UInt16.random(in: 1000...9999))"
        Self.fill(&assignment, order)
        let network = try dependencies.planner.network(of: assignment.spec)
        let userID = try users.userID(ofApp: assignment.appID)
        try directory.prepareData(ofApp: assignment.appID, userID: userID)
        let port = try sessionPort(id, network)
        var plan = try dependencies.planner.plan(
            assignment: assignment, port: Int(port), userID: userID,
            directories: try directories(of: assignment, app: appDirectory))
        // Nobody is led into it.
        plan.connectorPort = nil
        let app = assignment.app.rawValue
        let cgroup = try dependencies.cgroups.makeRun(
            app: app, run: id, limits: CgroupLimits(assignment.spec.limits))
        do {
            let link = network == .egress ? Shared(try SocketPair()) : nil
            let session = try spawn(
                plan, order, id: id, start: SessionStart(instance: assignment.slot, release: assignment.release),
                bundle: assignment.spec.bundle, cgroup: cgroup, ownsCgroup: true, target: nil, egress: link)
            if let link { startEgress(of: session, link: link.value.second) }
            return session
        } catch {
            ports.release(owner: id)
            try? cgroup.remove()
            _ = try? dependencies.cgroups.removeSlice(app: app)
            throw error
        }
    }

    /// On the host's network a port that nobody else has; in a network of its own every one is free.
    private func sessionPort(_ id: String, _ network: NetworkMode) throws -> UInt16 {
        guard network == .host else { return configuration.portRange.lowerBound }
        let listening = TCPSockets.listening(ofProcess: getpid())
        guard let port = ports.allocate(owner: id, isFree: { !listening.contains(port: $0) }) else {
            throw SupervisionError("no port is free for the command", isPermanent: false)
        }
        return port
    }

    private func startEgress(of session: CommandSession, link: borrowing OwnedDescriptor) {
        do {
            let null = try OwnedDescriptor.open("/dev/null", O_RDWR)
            session.egressTool = try startEgressTool(
                forProcess: session.process.value.pid, cgroup: session.cgroup, messages: null, link: link)
        } catch {
            session.egressFailure = ": \(error)"
        }
    }

    // MARK: Both

    private static func fill(_ assignment: inout Assignment, _ order: SessionOrder) {
        assignment.spec.command = .exec(order.request.command)
        assignment.spec.env.merge(order.request.env ?? [:]) { _, own in own }
    }

    private func spawn(
        _ plan: RunPlan, _ order: SessionOrder, id: String = Supervisor.makeRunID(), start: SessionStart,
        bundle: String?, cgroup: RunCgroup, ownsCgroup: Bool, target: Int32?, egress: Shared<SocketPair>?
    ) throws -> CommandSession {
        var plan = plan
        if order.request.terminal != nil { plan.takeTerminal() }
        let exitRecord = try OwnedDescriptor.anonymousFile(name: "paas-exit")
        let ends = try SessionEnds.make(terminal: order.request.terminal, owner: plan.userID)
        let started = try InitStart(
            path: configuration.initPath, plan: plan,
            descriptors: InitStart.Descriptors(
                stdin: ends.input.rawValue, stdout: ends.output.rawValue, stderr: ends.errors.rawValue,
                exitRecord: exitRecord.rawValue, joined: target, egress: egress?.value.first.rawValue),
            cgroup: cgroup.descriptor)
        let session = CommandSession(
            id: id, appID: order.assignment.appID, bundle: bundle, start: start, process: started.process,
            cgroup: cgroup, ownsCgroup: ownsCgroup, failure: started.failure, exitRecord: Shared(exitRecord),
            streams: ends.streams)
        sessions[id] = session
        do {
            session.registration = try register(session.process.value.pidfd, for: .readable) {
                $0.commandEnded(session, app: order.assignment.app)
            }
        } catch {
            // Nobody would see its end.
            kill(session)
            sessions[id] = nil
            throw error
        }
        return session
    }

    private func commandEnded(_ session: CommandSession, app: AppName) {
        if let registration = session.registration { loop.cancel(registration) }
        session.registration = nil
        // Reaps it; how the command ended stands in the exit record.
        _ = try? session.process.value.exitStatus()
        session.end = session.observedEnd
        guard session.ownsCgroup else { return finish(session, app) }
        do {
            try session.cgroup.kill()
            let events = Shared(try session.cgroup.eventsDescriptor())
            session.cgroupRegistration = try register(events.value, for: .changed) { supervisor in
                _ = events
                supervisor.cgroupChanged(session, app)
            }
            cgroupChanged(session, app)
        } catch {
            dependencies.logger.error("cannot end a command's cgroup", metadata: ["error": "\(error)"])
            finish(session, app)
        }
    }

    private func cgroupChanged(_ session: CommandSession, _ app: AppName) {
        guard sessions[session.id] != nil, (try? session.cgroup.isPopulated()) != true else { return }
        finish(session, app)
    }

    private func finish(_ session: CommandSession, _ app: AppName) {
        if let registration = session.cgroupRegistration { loop.cancel(registration) }
        session.cgroupRegistration = nil
        if let timer = session.killTimer { loop.cancel(timer) }
        sessions[session.id] = nil
        if session.ownsCgroup {
            // Reaps it.
            _ = try? session.egressTool?.value.exitStatus()
            do { try session.cgroup.remove() } catch {
                dependencies.logger.error("cannot remove a command's cgroup", metadata: ["error": "\(error)"])
            }
            // An instance may be in it; then its end removes it.
            _ = try? dependencies.cgroups.removeSlice(app: app.rawValue)
            ports.release(owner: session.id)
            removeUnusedBundles(ofApp: session.appID)
            finishPurge(ofApp: session.appID)
        }
        session.waiter?.resume(returning: session.end ?? .failure("the command was ended"))
        session.waiter = nil
    }
}

/// Both ends of a command's input and output. This side goes on in a ``CommandSession``, the command's is closed here
/// once it was passed on.
private struct SessionEnds: ~Copyable {
    let input: OwnedDescriptor
    let output: OwnedDescriptor
    let errors: OwnedDescriptor
    let streams: CommandSession.Streams

    private init(
        input: consuming OwnedDescriptor, output: consuming OwnedDescriptor, errors: consuming OwnedDescriptor,
        streams: CommandSession.Streams
    ) {
        self.input = input
        self.output = output
        self.errors = errors
        self.streams = streams
    }

    /// - Parameter owner: may open what it has got again, as `/dev/stdout`.
    static func make(terminal: TerminalSize?, owner: UInt32) throws(SystemError) -> SessionEnds {
        guard let terminal else { return try pipes(owner: owner) }
        let pair = try PseudoTerminal(columns: terminal.columns, rows: terminal.rows, owner: owner)
        return SessionEnds(
            input: try pair.slave.duplicate(), output: try pair.slave.duplicate(), errors: try pair.slave.duplicate(),
            streams: .terminal(Shared(try pair.master.duplicate())))
    }

    private static func pipes(owner: UInt32) throws(SystemError) -> SessionEnds {
        var into = try Pipe()
        var out = try Pipe()
        var error = try Pipe()
        guard let inWriter = into.writer.take(), let outWriter = out.writer.take(),
            let errorWriter = error.writer.take()
        else { preconditionFailure("a new pipe has both ends") }
        for number in [into.reader.rawValue, outWriter.rawValue, errorWriter.rawValue] {
            guard fchown(number, owner, owner) == 0 else {
                throw SystemError(operation: "fchown", path: "a pipe", errno: errno)
            }
        }
        // Programs expect that reading standard input waits.
        guard fcntl(into.reader.rawValue, F_SETFL, 0) == 0 else {
            throw SystemError(operation: "fcntl(F_SETFL)", errno: errno)
        }
        return SessionEnds(
            input: into.takeReader(), output: outWriter, errors: errorWriter,
            streams: .pipes(
                input: Shared(inWriter), output: Shared(out.takeReader()), errors: Shared(error.takeReader())))
    }
}
