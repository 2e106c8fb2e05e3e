// SPDX-License-Identifier: Apache-2.0

public import AppLogs
public import Cgroups
public import LinuxSystem
public import Logging
internal import PaaSModel
public import Sandbox

/// Runs this node's instances. The actor lives on the event loop's thread: between "the pidfd fired" and "restart"
/// there is no lock and no hop.
///
/// Decisions are ``InstanceMachine``'s; this type performs them. It is spread over files by topic: assignments,
/// starting, readiness, ending, adoption.
public actor Supervisor {
    /// What the supervisor works with; everything is made by the agent's main.
    public struct Dependencies: Sendable {
        /// Where runs live.
        public var cgroups: CgroupTree
        /// Turns an assignment into what `paas-init` does.
        public var planner: SandboxPlanner
        /// Where lines go.
        public var logs: LogStore
        /// Takes routes.
        public var routes: any RouteSink
        /// Keeps the ports of apps in a network of their own.
        public var portHolder: any PortHolder
        /// Brings bundles.
        public var bundles: any BundleProvider
        /// Asks health paths.
        public var prober: any HealthProber
        /// Takes reports.
        public var outbox: Outbox
        /// Logs what the operator should know of the supervisor itself.
        public var logger: Logger

        /// Gathers them.
        public init(
            cgroups: CgroupTree, planner: SandboxPlanner, logs: LogStore, routes: any RouteSink,
            portHolder: any PortHolder, bundles: any BundleProvider, prober: any HealthProber, outbox: Outbox,
            logger: Logger
        ) {
            self.cgroups = cgroups
            self.planner = planner
            self.logs = logs
            self.routes = routes
            self.portHolder = portHolder
            self.bundles = bundles
            self.prober = prober
            self.outbox = outbox
            self.logger = logger
        }
    }

    /// The thread this actor lives on.
    public nonisolated let loop: EventLoop
    let configuration: SupervisorConfiguration
    let dependencies: Dependencies
    let directory: StateDirectory
    var instances: [String: ManagedInstance] = [:]
    /// Destroyed apps whose last instance is still on its way out.
    var purgeRequested: Set<String> = []
    /// Wait for the end of any run; see ``waitUntilNothingRuns(progress:)``.
    var endWaiters: [CheckedContinuation<Void, Never>] = []
    /// Bundles that are on their way, by the directory they go to.
    var unpacking: [String: Task<Void, any Error>] = [:]
    /// Apps whose image of `/data` is being looked after, each with the starts that wait for that.
    var diskTurns: [String: [CheckedContinuation<Void, Never>]] = [:]
    /// Commands that people run beside apps, by id.
    var sessions: [String: CommandSession] = [:]
    var logWriters: [String: AppLogWriter] = [:]
    /// What ended runs used, for metrics.
    var ledger = RunLedger()
    /// When lines of an app's log are too old.
    var logExpiries: [String: EventLoop.Timer] = [:]
    var ports: PortAllocator
    var users: UserIDAllocator
    let captureTools: RunCapture.Tools
    var clock: ClockWatch
    /// Another agent has the apps; see ``leave()``.
    var hasLeft = false
    /// Set while the disk refuses the state of instances; tries again.
    var stateRetry: EventLoop.Timer?
    /// ``restore(stopping:)`` is under way.
    var isRestoring = false
    /// Instances that an earlier agent had running and that this one starts, a few at a time.
    var startQueue: [ManagedInstance] = []
    /// Those of the queue whose start is under way, with the time after which the next one no longer waits for them.
    var queuedStarts: [String: EventLoop.Timer] = [:]
    /// Instances whose `paas-init` is at work, with the time after which the next one no longer waits for them.
    var launching: [String: EventLoop.Timer] = [:]
    /// Those that wait for one of these.
    var launchQueue: [(instance: ManagedInstance, startNumber: Int, appDirectory: String)] = []
    /// For the next runs; see ``prepareRuns()``.
    var preparedRuns: [PreparedRun] = []
    var preparedRunNumber = 0
    /// Instances that may get a standby, by id, and the timer for the next of them.
    var standbyQueue: [String] = []
    var standbyTimer: EventLoop.Timer?
    /// Runs that no instance has any more and that are not gone yet, by id; see ``layToRest(_:)``.
    var remains: [String: Run] = [:]
    /// When denials of an app were told last, and the timers for what may be told later, by app.
    var denialPaces: [String: DenialPace] = [:]
    var denialTimers: [String: EventLoop.Timer] = [:]
    /// Captures of earlier agents' runs, during ``restore(stopping:)``.
    var preparedCaptures: [String: RunCapture] = [:]

    /// Opens the state directory; nothing runs before ``restore(stopping:)``.
    ///
    /// - Throws: `SystemError`, or an error of a damaged state file.
    public init(configuration: SupervisorConfiguration, dependencies: Dependencies, loop: EventLoop) throws {
        self.configuration = configuration
        self.dependencies = dependencies
        self.loop = loop
        directory = try StateDirectory(
            root: configuration.stateDirectory, isOpenToApps: configuration.allowsSandboxOff)
        captureTools = try RunCapture.Tools()
        clock = try ClockWatch()
        ports = PortAllocator(range: configuration.portRange)
        users = try UserIDAllocator(directory: directory, range: UserIDs.range)
    }

    public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    // MARK: Events and actions

    /// Gives an event to an instance's machine and performs what it asks for.
    ///
    /// Performing may itself bring the next event, such as a start that fails at once. It waits until the first one is
    /// dealt with to the end, so that every change of state is announced once and in order.
    ///
    /// - Parameter note: the sentence for the event that people see.
    func feed(_ event: InstanceMachine.Event, to instance: ManagedInstance, note: String? = nil) {
        guard !hasLeft else { return }
        instance.waitingEvents.append((event, note))
        guard instance.waitingEvents.count == 1 else { return }
        while let (event, note) = instance.waitingEvents.first {
            take(event, instance, note: note)
            instance.waitingEvents.removeFirst()
        }
    }

    private func take(_ event: InstanceMachine.Event, _ instance: ManagedInstance, note: String?) {
        let before = instance.machine
        let actions = instance.machine.handle(event)
        guard instance.machine != before || !actions.isEmpty else { return }
        if instance.machine.state != before.state { instance.since = .now }
        if instance.machine.restarts > before.restarts {
            ledger.restarted(instance.assignment)
            instance.lastRestart = .now
        }
        // Before anything else: it must not begin any more.
        if !mayKeepStandby(instance) { discardStandby(of: instance) }
        instance.reason = note ?? instance.reason
        if instance.machine.state == .running || instance.machine.state == .stopped { instance.reason = nil }
        for case .pause(let failures, let wasReady) in actions {
            choosePause(instance, failures: failures, wasReady: wasReady)
        }
        // Whoever is told that it runs sends requests, and whoever is told that it stops relies on its getting none
        // (decision 0053).
        if instance.machine.state != before.state || actions.contains(.openRoute) { publishRoute(ofApp: instance.app) }
        // Written down and reported first: what is done after that may be undone by nobody.
        if instance.machine.state != before.state {
            announce(instance, from: before, note: note)
        } else {
            save(instance)
        }
        for action in actions where action != .forget { perform(action, for: instance) }
        // Whoever waits for it reads what it waits for.
        if instance.machine.state == .starting, instance.machine.state != before.state {
            publishRoute(ofApp: instance.app)
        }
        if before.state == .starting, instance.machine.state != .starting {
            launchIsOver(of: instance)
            startIsOver(instance)
        }
        // Last: what is forgotten cannot be reported any more.
        if actions.contains(.forget) { forget(instance) }
    }

    private func perform(_ action: InstanceMachine.Action, for instance: ManagedInstance) {
        switch action {
        case .start: startsInTurn(instance) ? startLater(instance) : start(instance)
        case .openRoute, .closeRoute: break  // ``take(_:_:note:)`` has published the route.
        case .examineAndKill: examineAndKill(instance)
        case .closeRouteAndDrain: drain(instance)
        case .signalStop: signalStop(instance)
        case .kill: kill(instance)
        case .pause: pause(instance)
        case .cancelPause: cancelPause(instance)
        case .release: releasePort(of: instance)
        case .forget: break
        }
    }

    func lifecycle(of instance: ManagedInstance) -> Lifecycle {
        Lifecycle(instance.assignment.spec, configuration)
    }

    private func choosePause(_ instance: ManagedInstance, failures: Int, wasReady: Bool) {
        let delay =
            instance.nextHasBegun ? .zero : pauseLength(of: instance, failures: failures, wasReady: wasReady)
        instance.nextPause = delay
        instance.reason =
            delay == .zero
            ? "starting again at once" : "starting again in \(delay.shortText), after \(failures) failed in a row"
    }

    func pauseLength(of instance: ManagedInstance, failures: Int, wasReady: Bool) -> Duration {
        lifecycle(of: instance).backoff.delay(
            failures: failures, wasReady: wasReady, jitter: Double.random(in: 0..<1))
    }

    private func pause(_ instance: ManagedInstance) {
        if instance.nextHasBegun { return feed(.pauseOver, to: instance) }
        let delay = instance.nextPause
        if delay != .zero { systemLine("starting again in \(delay.shortText)", of: instance) }
        cancelPause(instance)
        instance.pauseTimer = schedule(after: delay) { supervisor in
            instance.pauseTimer = nil
            supervisor.feed(.pauseOver, to: instance)
        }
    }

    func cancelPause(_ instance: ManagedInstance) {
        if let timer = instance.pauseTimer { loop.cancel(timer) }
        instance.pauseTimer = nil
    }

    private func forget(_ instance: ManagedInstance) {
        instances[instance.id] = nil
        directory.removeInstance(instance.id)
        publishRoute(ofApp: instance.app)
        removeUnusedBundles(ofApp: instance.assignment.appID)
        forgetDenials(ofApp: instance.assignment.appID)
        finishPurge(ofApp: instance.assignment.appID)
    }

    /// Runs work on this actor after a time. Lives as long as the loop: the supervisor is never let go before it.
    func schedule(
        after delay: Duration, _ work: @escaping @Sendable (isolated Supervisor) -> Void
    ) -> EventLoop.Timer {
        loop.schedule(after: delay) { [unowned self] in self.assumeIsolated { work($0) } }
    }

    /// Watches a descriptor with a handler on this actor.
    func register(
        _ descriptor: borrowing OwnedDescriptor, for interest: EventLoop.Interest,
        _ work: @escaping @Sendable (isolated Supervisor) -> Void
    ) throws(SystemError) -> EventLoop.Registration {
        try loop.register(descriptor, for: interest) { [unowned self] in self.assumeIsolated { work($0) } }
    }

    // MARK: Telling others

    /// Writes an instance down, as long as it is not forgotten. A failure is told and survived: the app runs on, only
    /// adoption would not know it.
    func save(_ instance: ManagedInstance) {
        guard instances[instance.id] === instance, !hasLeft else { return }
        do {
            try directory.save(instance.record, to: &instance.recordFile)
        } catch {
            stateIsNotWritten(because: error)
        }
    }

    /// Reports a status with its events: writes it down with the instance, then puts it into the outbox.
    func report(_ instance: ManagedInstance, _ events: [Event] = []) {
        let report = dependencies.outbox.makeReport(status: instance.status, events: events)
        instance.lastReport = report
        save(instance)
        handIn(report)
    }

    func handIn(_ report: AgentReport) {
        do {
            try dependencies.outbox.add(report)
        } catch {
            dependencies.logger.error(
                "cannot write a report; it waits in memory until the disk takes it", metadata: ["error": "\(error)"])
            stateIsNotWritten(because: error)
        }
    }

    func event(_ kind: Event.Kind, _ instance: ManagedInstance, _ message: String) -> Event {
        Event(
            time: .now, kind: kind, app: instance.app.rawValue, instance: instance.assignment.slot,
            release: instance.assignment.release, message: message)
    }

    /// Reports a change of state with the event that people see.
    private func announce(_ instance: ManagedInstance, from before: InstanceMachine, note: String?) {
        let machine = instance.machine
        var events: [Event] = []
        switch machine.state {
        case .starting:
            let message = before.state == .restarting ? "starting again" : "starting"
            events.append(event(.starting, instance, "\(instance.assignment.slot) is \(message)"))
        case .running:
            let port = instance.run.map { " on port \($0.record.port)" } ?? ""
            let message = "ready\(port) after \(instance.run?.uptime.shortText ?? "0 ms")"
            events.append(event(.ready, instance, message))
            systemLine(message, of: instance)
        case .restarting:
            events.append(event(.exited, instance, note ?? "ended"))
            events.append(event(.restarting, instance, instance.reason ?? "starting again"))
            if machine.isCrashLooping && !before.isCrashLooping {
                events.append(event(.crashLooping, instance, "\(machine.failures) runs in a row failed"))
            }
        case .stopping:
            events.append(event(.stopping, instance, note ?? "stopping"))
        case .stopped:
            events.append(event(.stopped, instance, note ?? "stopped"))
            systemLine("stopped", of: instance)
        case .removed:
            events += lastDenialEvents(of: instance)
            events.append(event(.stopped, instance, note ?? "stopped for good"))
        case .failed:
            events.append(event(.failed, instance, note ?? "failed"))
        case .pending: break
        }
        report(instance, events)
    }

    /// Tells the router where requests for an app go now.
    func publishRoute(ofApp app: AppName) {
        let members = instances.values.filter { $0.app == app }.sorted { $0.assignment.slot < $1.assignment.slot }
        guard let appID = members.first?.assignment.appID else { return dependencies.routes.setRoute(nil, app: app) }
        let endpoints = members.compactMap { member -> AppRoute.Endpoint? in
            guard member.machine.state == .running, let run = member.run else { return nil }
            return AppRoute.Endpoint(
                instanceID: member.id, port: run.record.port, instance: member.assignment.slot,
                release: run.assignment.release)
        }
        let state: AppRoute.State
        if !endpoints.isEmpty {
            state = .ready
        } else if let waiting = members.first(where: { [.pending, .starting, .restarting].contains($0.machine.state) })
        {
            state = .starting(message: waiting.reason ?? "it is being started")
        } else if let failed = members.first(where: { $0.machine.state == .failed }) {
            state = .failed(message: failed.reason ?? "it failed")
        } else {
            state = .stopped
        }
        dependencies.routes.setRoute(AppRoute(appID: appID, state: state, endpoints: endpoints), app: app)
    }
}
