// SPDX-License-Identifier: Apache-2.0

import Logging
import ServiceLifecycle
import Testing

@testable import ControlPlane

/// Sequences that end with the service group.
struct UntilShutdownTests {
    private struct Failure: Error {}

    private struct Reader: Service {
        let body: @Sendable () async throws -> Void

        func run() async throws { try await body() }
    }

    @Test func elementsComeInOrderAndTheEndIsTheBases() async throws {
        let (stream, source) = AsyncStream<Int>.makeStream()
        for number in 1...3 { source.yield(number) }
        source.finish()
        var seen: [Int] = []
        for try await number in stream.untilShutdown() { seen.append(number) }
        #expect(seen == [1, 2, 3])
    }

    @Test func anErrorOfTheBaseIsThrown() async {
        let stream = AsyncThrowingStream<Int, any Error> { $0.finish(throwing: Failure()) }
        await #expect(throws: Failure.self) { for try await _ in stream.untilShutdown() {} }
    }

    /// Whoever reads is not cancelled: it may still write its farewell.
    @Test func aShutdownEndsItWhileItWaitsAndCancelsNobody() async throws {
        let (stream, source) = AsyncStream<Int>.makeStream()
        let (steps, step) = AsyncStream<String>.makeStream()
        let reader = Reader {
            for try await number in stream.untilShutdown() { step.yield("\(number)") }
            step.yield(Task.isCancelled ? "cancelled" : "ended")
            step.finish()
        }
        let group = ServiceGroup(
            configuration: .init(services: [.init(service: reader)], logger: Logger(label: "test")))
        let run = Task { try? await group.run() }
        source.yield(7)
        var seen: [String] = []
        for await text in steps {
            seen.append(text)
            if text == "7" { await group.triggerGracefulShutdown() }
        }
        #expect(seen == ["7", "ended"])
        await run.value
    }

    @Test func aCancelledReaderComesToTheEnd() async throws {
        let (stream, source) = AsyncStream<Int>.makeStream()
        let (started, start) = AsyncStream<Void>.makeStream()
        let reader = Task {
            for try await _ in stream.untilShutdown() { start.yield() }
            return Task.isCancelled
        }
        source.yield(1)
        for await _ in started.prefix(1) {}
        reader.cancel()
        #expect(try await reader.value)
    }
}
