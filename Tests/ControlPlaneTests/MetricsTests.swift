// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import ControlPlane

@Suite struct MetricsTests {
    @Test func familiesStayTogetherWhateverOrderTheirSamplesComeIn() {
        var exposition = Exposition()
        exposition.add("a_total", .counter, "First.", labels: [("x", "1")], 1)
        exposition.add("b", .gauge, "Second.", 0.5)
        exposition.add("a_total", .counter, "First.", labels: [("x", "2")], 2)
        #expect(
            exposition.text == """
                # HELP a_total First.
                # TYPE a_total counter
                a_total{x="1"} 1
                a_total{x="2"} 2
                # HELP b Second.
                # TYPE b gauge
                b 0.5

                """)
    }

    @Test func whatIsNotCountedIsAbsent() {
        var exposition = Exposition()
        exposition.add("memory_bytes", .gauge, "Memory.", nil)
        #expect(exposition.text.isEmpty)
    }

    @Test func aLabelCannotBreakItsLine() {
        #expect(Exposition.escaped("a\"b\\c\nd\u{301}\"\u{301}") == "a\\\"b\\\\c\\nd\u{301}\\\"\u{301}")
    }

    @Test(arguments: [(0.1, "0.1"), (3, "3"), (-2, "-2"), (1e18, "1e+18"), (.infinity, "+Inf"), (.nan, "NaN")])
    func numbersAreWhatGoReads(_ value: Double, _ text: String) {
        #expect(Exposition.number(value) == text)
    }

    @Test func aHistogramsBucketsAreSumsUpToItsCount() {
        var report = MetricsReport()
        var buckets = [Int64](repeating: 0, count: RequestMetrics.bucketSeconds.count + 1)
        (buckets[0], buckets[3], buckets[14]) = (2, 3, 1)
        report.add(
            node: Self.node,
            metrics: Self.metrics([
                "web": RequestMetrics(
                    byClass: ["2xx": 6], buckets: buckets, sumMicroseconds: 1_500_000, inFlight: 0)
            ]))
        let text = report.text()
        let name = "paas_router_request_duration_seconds"
        #expect(text.contains("\(name)_bucket{app=\"web\",node=\"n\",le=\"0.001\"} 2\n"))
        #expect(text.contains("\(name)_bucket{app=\"web\",node=\"n\",le=\"0.01\"} 5\n"))
        #expect(text.contains("\(name)_bucket{app=\"web\",node=\"n\",le=\"30\"} 5\n"))
        #expect(text.contains("\(name)_bucket{app=\"web\",node=\"n\",le=\"+Inf\"} 6\n"))
        #expect(text.contains("\(name)_sum{app=\"web\",node=\"n\"} 1.5\n"))
        #expect(text.contains("\(name)_count{app=\"web\",node=\"n\"} 6\n"))
    }

    @Test func aNodeThatDoesNotAnswerIsDownAndTheOthersAreToldAllTheSame() {
        var report = MetricsReport()
        report.add(node: Self.node, metrics: nil)
        var other = Self.node
        other.name = "m"
        report.add(node: other, metrics: Self.metrics([:]))
        #expect(report.text().contains("paas_node_up{node=\"n\"} 0\npaas_node_up{node=\"m\"} 1\n"))
    }

    @Test func theNumberOfSeriesHasACap() throws {
        var report = MetricsReport()
        var metrics = Self.metrics([:])
        let app = try AppName(validating: "web")
        metrics.instances = (0..<MetricsReport.maxInstances + 7).map { InstanceMetrics(app: app, slot: "web.\($0)") }
        report.add(node: Self.node, metrics: metrics)
        let text = report.text()
        #expect(text.contains("paas_metrics_omitted 7\n"))
        #expect(
            text.split(separator: "\n").count { $0.hasPrefix("paas_instance_running{") } == MetricsReport.maxInstances)
    }

    private static let node = Node(
        name: "n", connected: true, agentAddress: "unix:/a", routerAddress: "127.0.0.1:1", version: "1",
        capabilities: NodeCapabilities(
            cgroupMode: "unified", cgroupRoot: "/", controllers: [], kernel: "6.12", networks: [], layers: []))

    private static func metrics(_ requests: [String: RequestMetrics]) -> NodeMetrics {
        NodeMetrics(
            agent: ProcessUsage(version: "1", cpuMicroseconds: 1), instances: [], requests: requests, unrouted: [:])
    }
}
