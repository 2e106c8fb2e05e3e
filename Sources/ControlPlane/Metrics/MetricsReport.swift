// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// Writes what control plane and nodes count as Prometheus metrics. docs/metrics.md lists every family.
///
/// Labels are names of apps that exist, slots, nodes, and words of fixed sets: never text that a request brought.
struct MetricsReport {
    /// Apps that are reported; the first by name when there are more.
    static let maxApps = 1_000
    /// Slots of each node that are reported.
    static let maxInstances = 5_000

    private(set) var exposition = Exposition()
    private var omitted = 0

    // MARK: Control plane

    /// The program that is scraped, in the names that every Prometheus client library uses.
    mutating func add(program: ProcessUsage?, openStreams: Int) {
        if let program {
            build("paasd", version: program.version, node: "")
            process("process", "paasd", program, [])
        }
        exposition.add("paas_streams", .gauge, "Streams of the API that are open.", Double(openStreams))
    }

    mutating func add(apps: [App]) {
        for app in apps.prefix(Self.maxApps) {
            let label = [("app", app.name.rawValue)]
            for status in AppStatus.allCases {
                exposition.add(
                    "paas_app_status", .gauge, "1 for the status that the app has, 0 for the others.",
                    labels: label + [("status", status.rawValue)], app.status == status ? 1 : 0)
            }
            exposition.add(
                "paas_app_info", .gauge, "Always 1; tells the release that serves.",
                labels: label + [("release", app.release)], 1)
            exposition.add(
                "paas_app_instances_wanted", .gauge, "Instances that the app should have.", labels: label,
                Double(app.instances))
            exposition.add(
                "paas_app_instances_ready", .gauge, "Instances that are ready.", labels: label,
                Double(app.instancesReady))
            exposition.add(
                "paas_app_crash_looping", .gauge, "1 while several runs in a row have failed.", labels: label,
                app.crashLooping ? 1 : 0)
            exposition.add(
                "paas_app_last_exit_timestamp_seconds", .gauge, "When the last run ended.", labels: label,
                app.lastExit?.at.seconds)
        }
        omitted += max(0, apps.count - Self.maxApps)
    }

    // MARK: Nodes

    /// A node that is known.
    ///
    /// - Parameter metrics: nil when its agent does not answer.
    mutating func add(node: Node, metrics: NodeMetrics?) {
        let label = [("node", node.name)]
        exposition.add(
            "paas_node_up", .gauge, "1 when the node's agent is connected and has answered this scrape.", labels: label,
            metrics == nil ? 0 : 1)
        exposition.add(
            "paas_node_info", .gauge, "Always 1; tells kernel and mode of cgroups.",
            labels: label + [("kernel", node.capabilities.kernel), ("cgroups", node.capabilities.cgroupMode)], 1)
        exposition.add(
            "paas_node_sandbox_layers_missing", .gauge, "Sandbox layers that the node cannot enforce.", labels: label,
            Double(node.capabilities.layers.count { !$0.enforced }))
        guard let metrics else { return }
        build("agent", version: metrics.agent.version, node: node.name)
        process("paas_agent", "the agent", metrics.agent, label)
        for instance in metrics.instances.prefix(Self.maxInstances) { add(instance, label) }
        omitted += max(0, metrics.instances.count - Self.maxInstances)
        for (app, requests) in metrics.requests.sorted(by: { $0.key < $1.key }).prefix(Self.maxApps) {
            add(requests, [("app", app)] + label)
        }
        for (status, count) in metrics.unrouted.sorted(by: { $0.key < $1.key }) {
            exposition.add(
                "paas_router_unrouted_requests_total", .counter,
                "Requests that belong to no app: malformed ones, and those for names that no app has.",
                labels: label + [("class", status)], Double(count))
        }
    }

    /// The text, with what was left out.
    func text() -> String {
        var exposition = exposition
        exposition.add(
            "paas_metrics_omitted", .gauge, "Apps and slots that this answer leaves out because there are too many.",
            Double(omitted))
        return exposition.text
    }

    private mutating func add(_ instance: InstanceMetrics, _ node: [(String, String)]) {
        let labels = [("app", instance.app.rawValue), ("slot", instance.slot)] + node
        let counters = instance.counters
        func counter(_ name: String, _ help: String, _ value: Double?, with more: (String, String)? = nil) {
            exposition.add("paas_instance_" + name, .counter, help, labels: labels + (more.map { [$0] } ?? []), value)
        }
        func gauge(_ name: String, _ help: String, _ value: Double?) {
            exposition.add("paas_instance_" + name, .gauge, help, labels: labels, value)
        }
        gauge("running", "Runs of the slot that are alive; 2 while a deploy replaces one.", Double(instance.running))
        gauge("start_time_seconds", "When the newest run began.", instance.startedAt?.seconds)
        counter("restarts_total", "Starts after a run that ended by itself.", Double(instance.restarts))
        for cause in ExitCause.allCases {
            counter(
                "exits_total", "Ends of runs, by cause.", Double(instance.exits[cause.rawValue] ?? 0),
                with: ("cause", cause.rawValue))
        }
        counter("cpu_seconds_total", "CPU time of all runs.", Double(counters.cpuMicroseconds) / 1e6)
        counter(
            "cpu_throttled_seconds_total", "Time for which the CPU limit held runs back.",
            counters.throttledMicroseconds.map { Double($0) / 1e6 })
        gauge("cpu_limit_cores", "The CPU limit; absent without one.", instance.cpuLimit)
        gauge("memory_bytes", "Memory in use, page cache included.", instance.memoryBytes.map(Double.init))
        gauge(
            "memory_peak_bytes", "Most memory in use at any time of the run.", instance.memoryPeakBytes.map(Double.init)
        )
        gauge(
            "memory_limit_bytes", "The memory limit in force; absent without one.",
            instance.memoryLimitBytes.map(Double.init))
        counter(
            "oom_kills_total", "Processes that the kernel's OOM killer counted; one hog can count twice.",
            counters.oomKills.map(Double.init))
        gauge("processes", "Processes and threads.", instance.pids.map(Double.init))
        gauge(
            "processes_limit", "The limit of processes and threads; absent without one.",
            instance.pidsLimit.map(Double.init))
        counter("disk_read_bytes_total", "Read from block devices.", counters.readBytes.map(Double.init))
        counter("disk_written_bytes_total", "Written to block devices.", counters.writtenBytes.map(Double.init))
        for resource in ["cpu", "memory", "io"] {
            counter(
                "pressure_waiting_seconds_total", "Time in which at least one task waited for the resource.",
                counters.waitedMicroseconds[resource].map { Double($0) / 1e6 }, with: ("resource", resource))
            counter(
                "pressure_stalled_seconds_total", "Time in which every task waited for the resource.",
                counters.stalledMicroseconds[resource].map { Double($0) / 1e6 }, with: ("resource", resource))
        }
    }

    private mutating func add(_ requests: RequestMetrics, _ labels: [(String, String)]) {
        for status in ["1xx", "2xx", "3xx", "4xx", "5xx"] {
            exposition.add(
                "paas_router_requests_total", .counter,
                "Requests for the app that are over, by class of status; the router's own answers are among them.",
                labels: labels + [("class", status)], Double(requests.byClass[status] ?? 0))
        }
        exposition.add(
            "paas_router_requests_in_flight", .gauge, "Requests that ready instances are working on.", labels: labels,
            Double(requests.inFlight))
        let (name, help) = (
            "paas_router_request_duration_seconds", "From a request's head to the head of the app's answer."
        )
        var sum: Int64 = 0
        let bounds = RequestMetrics.bucketSeconds.map(Exposition.number) + ["+Inf"]
        for (bound, count) in zip(bounds, requests.buckets) {
            sum += count
            exposition.add(name, .histogram, help, suffix: "_bucket", labels: labels + [("le", bound)], Double(sum))
        }
        exposition.add(name, .histogram, help, suffix: "_sum", labels: labels, Double(requests.sumMicroseconds) / 1e6)
        exposition.add(name, .histogram, help, suffix: "_count", labels: labels, Double(sum))
    }

    // MARK: Programs

    private mutating func build(_ program: String, version: String, node: String) {
        exposition.add(
            "paas_build_info", .gauge, "Always 1; tells the version of each daemon.",
            labels: [("program", program), ("version", version), ("node", node)], 1)
    }

    private mutating func process(
        _ prefix: String, _ who: String, _ usage: ProcessUsage, _ labels: [(String, String)]
    ) {
        func add(_ name: String, _ kind: Exposition.Kind, _ help: String, _ value: Double?) {
            exposition.add("\(prefix)_\(name)", kind, "\(help) of \(who).", labels: labels, value)
        }
        add("cpu_seconds_total", .counter, "CPU time", Double(usage.cpuMicroseconds) / 1e6)
        add("resident_memory_bytes", .gauge, "Resident memory", usage.residentBytes.map(Double.init))
        add("open_fds", .gauge, "Open descriptors", usage.openDescriptors.map(Double.init))
        add("max_fds", .gauge, "Limit of open descriptors", usage.maxDescriptors.map(Double.init))
        add("start_time_seconds", .gauge, "Start", usage.startedAt?.seconds)
    }
}

extension Timestamp {
    /// Since the Unix epoch.
    fileprivate var seconds: Double { Double(microseconds) / 1e6 }
}
