// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import AppNetwork

@Suite(.serialized, .enabled(if: IsolatedApp.missing == nil, "needs root, network namespaces and paas-init"))
struct AppNetworkTests {
    private static let group = MultiThreadedEventLoopGroup.singleton
    /// Ports of these tests; each takes one.
    private static let nextPort = Mutex<UInt16>(19_100)

    /// Runs a test with a network and a port of its own, and ends the apps that it has started.
    private func withNetwork(_ body: (AppNetwork, UInt16, Apps) async throws -> Void) async throws {
        let apps = Apps()
        let network = try AppNetwork(eventLoopGroup: Self.group, logger: Logger(label: "test"))
        let port = Self.nextPort.withLock { port in
            port += 1
            return port
        }
        let result: Result<Void, any Error>
        do { result = .success(try await body(network, port, apps)) } catch { result = .failure(error) }
        network.shutDown()
        try await apps.end()
        try result.get()
    }

    /// Sends bytes and the end of them, and returns all that comes back.
    private func exchange(_ bytes: ByteBuffer, port: UInt16) async throws -> ByteBuffer {
        let received = Self.group.next().makePromise(of: ByteBuffer.self)
        do {
            let channel = try await ClientBootstrap(group: Self.group)
                .channelOption(.allowRemoteHalfClosure, value: true)
                // Only says when to give up: many at a time take long where the processor is emulated.
                .connectTimeout(.minutes(2))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(Collector(received))
                    }
                }
                .connect(host: "127.0.0.1", port: Int(port)).get()
            // Told of a failure before there can be one: it ends the channel, and that would be taken for an empty answer.
            let (sent, ended) = (
                channel.eventLoop.makePromise(of: Void.self), channel.eventLoop.makePromise(of: Void.self)
            )
            for promise in [sent, ended] { promise.futureResult.whenFailure { received.fail($0) } }
            channel.writeAndFlush(bytes, promise: sent)
            channel.close(mode: .output, promise: ended)
        } catch {
            received.fail(error)
        }
        return try await received.futureResult.get()
    }

    private func isListening(_ port: UInt16) -> Bool { TCPSockets.listening(ofProcess: getpid()).contains(port: port) }

    @Test func aHeldPortLeadsIntoTheAppsOwnNetworkAndBackAfterAHalfClose() async throws {
        try await withNetwork { network, port, apps in
            let app = try await apps.start(port: port, IsolatedApp.echoAtEnd)
            try network.hold(port: port, instanceID: "i")
            network.open(instanceID: "i", runDirectory: app.directory)
            #expect(
                try await exchange(ByteBuffer(string: "over and out"), port: port) == ByteBuffer(string: "over and out")
            )
            // More than any buffer on the way holds.
            let large = ByteBuffer(repeating: 0x61, count: 16 << 20)
            #expect(try await exchange(large, port: port) == large)
        }
    }

    @Test func manyConnectionsAtATimeAreAllServed() async throws {
        try await withNetwork { network, port, apps in
            let app = try await apps.start(port: port, IsolatedApp.echoAtEnd)
            try network.hold(port: port, instanceID: "i")
            network.open(instanceID: "i", runDirectory: app.directory)
            try await withThrowingTaskGroup(of: Bool.self) { tasks in
                for number in 0..<200 {
                    tasks.addTask {
                        let text = ByteBuffer(string: "connection \(number)")
                        return try await exchange(text, port: port) == text
                    }
                }
                for try await isRight in tasks { #expect(isRight) }
            }
        }
    }

    @Test func aPortIsHeldWhileNothingRunsAndConnectionsAreReset() async throws {
        try await withNetwork { network, port, _ in
            try network.hold(port: port, instanceID: "i")
            let error = #expect(throws: SystemError.self) { _ = try TCPSocket.listenOnLoopback(port: port).rawValue }
            #expect(error?.errno == EADDRINUSE)
            await #expect(throws: (any Error).self) { try await exchange(ByteBuffer(string: "?"), port: port) }
        }
    }

    @Test func anotherRunOfTheInstanceTakesThePlaceOfTheFirst() async throws {
        try await withNetwork { network, port, apps in
            try network.hold(port: port, instanceID: "i")
            for text in ["first", "second"] {
                let app = try await apps.start(port: port, IsolatedApp.echoAtEnd)
                try network.hold(port: port, instanceID: "i")
                network.open(instanceID: "i", runDirectory: app.directory)
                #expect(try await exchange(ByteBuffer(string: text), port: port) == ByteBuffer(string: text))
                try await app.end()
                // Not told yet, the link has seen it all the same.
                await #expect(throws: (any Error).self) { try await exchange(ByteBuffer(string: "?"), port: port) }
                network.close(instanceID: "i")
            }
        }
    }

    @Test func aPortThatIsTakenIsAnError() async throws {
        try await withNetwork { network, port, _ in
            let stranger = try TCPSocket.listenOnLoopback(port: port)
            #expect(throws: SystemError.self) { try network.hold(port: port, instanceID: "i") }
            withExtendedLifetime(stranger.rawValue) {}
        }
    }

    @Test func aReleasedPortIsFree() async throws {
        try await withNetwork { network, port, _ in
            try network.hold(port: port, instanceID: "i")
            #expect(isListening(port))
            let closed = network.listener(of: "i")
            network.release(instanceID: "i")
            try await closed?.flatMap { $0.closeFuture }.get()
            #expect(!isListening(port))
            #expect(network.socket(to: "i", on: Self.group.next()) == nil)
        }
    }

    @Test func anAppThatDoesNotListenIsRefusedAndOneThatDoesNotRunToo() async throws {
        try await withNetwork { network, port, apps in
            let app = try await apps.start(port: port, "print('up'); import time; time.sleep(1000)")
            try network.hold(port: port, instanceID: "i")
            func code() async -> AppNetworkError.Code? {
                do { _ = try await network.socket(to: "i", on: Self.group.next())?.get() } catch {
                    return (error as? AppNetworkError)?.code
                }
                return nil
            }
            #expect(await code() == .notRunning)
            network.open(instanceID: "i", runDirectory: app.directory)
            #expect(await code() == .refused)
            try await app.end()
            #expect(await code() == .notRunning)
        }
    }

    @Test func aStoppedInitTimesOutAndHoldsNobodyElseUp() async throws {
        try await withNetwork { network, port, apps in
            let frozen = try await apps.start(port: port, IsolatedApp.echoAtEnd)
            let lively = try await apps.start(port: port, IsolatedApp.echoAtEnd)
            network.open(instanceID: "frozen", runDirectory: frozen.directory)
            try network.hold(port: port, instanceID: "lively")
            network.open(instanceID: "lively", runDirectory: lively.directory)
            frozen.send(SIGSTOP)
            let late = network.socket(to: "frozen", on: Self.group.next(), timeout: .milliseconds(300))
            #expect(try await exchange(ByteBuffer(string: "alive"), port: port) == ByteBuffer(string: "alive"))
            let error = await #expect(throws: AppNetworkError.self) { _ = try await late?.get() }
            #expect(error?.code == .timedOut)
            // The answer that comes too late is thrown away, and the next question gets its own.
            frozen.send(SIGCONT)
            let socket = try await network.socket(to: "frozen", on: Self.group.next())?.get()
            close(try #require(socket))
        }
    }

    @Test func anAppWithAFullQueueIsWaitedForAndTimesOut() async throws {
        try await withNetwork { network, port, apps in
            let app = try await apps.start(
                port: port,
                """
                import os, socket, time
                s = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=0)
                print("up")
                time.sleep(1000)
                """)
            network.open(instanceID: "i", runDirectory: app.directory)
            var sockets: [CInt] = []
            defer { for socket in sockets { close(socket) } }
            let error = await #expect(throws: AppNetworkError.self) {
                for _ in 0..<8 {
                    let socket = network.socket(to: "i", on: Self.group.next(), timeout: .milliseconds(300))
                    if let socket = try await socket?.get() { sockets.append(socket) }
                }
            }
            #expect(error?.code == .timedOut)
            #expect(!sockets.isEmpty)
        }
    }
}

/// The apps of one test.
private actor Apps {
    private var started: [IsolatedApp] = []

    func start(port: UInt16, _ program: String) async throws -> IsolatedApp {
        let app = try await IsolatedApp.start(port: port, program)
        started.append(app)
        return app
    }

    /// Ends those that the test has not ended itself.
    func end() async throws {
        for app in started { try await app.end() }
    }
}

/// Collects everything until the end of the stream; fails when the connection is reset.
private final class Collector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let received: EventLoopPromise<ByteBuffer>
    private var bytes = ByteBuffer()

    init(_ received: EventLoopPromise<ByteBuffer>) { self.received = received }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { bytes.writeImmutableBuffer(unwrapInboundIn(data)) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        received.fail(error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { received.succeed(bytes) }
}
