// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import NIOCore
import NIOPosix
import Testing

@testable import Router

/// A transport between a loop of its own and the other end of a socket pair, without a router.
@Suite(.timeLimit(.minutes(2)))
struct SocketTransportTests {
    /// Concurrency proof for `@unchecked Sendable`: used on the loop's thread.
    private final class User: TransportUser, @unchecked Sendable {
        var transport: (any Transport)?
        var received: [Int] = []
        var isInputEnding = false
        var isInputClosed = false
        var isClosed = false
        var onReceived: (() -> Void)?
        var drainsAfterFailure: Bool { false }

        func opened(_ transport: any Transport) { self.transport = transport }
        func received(_ bytes: ByteBuffer) {
            received.append(bytes.readableBytes)
            onReceived?()
        }
        func receiveCompleted() {}
        func keepInput() {}
        func becameWritable() {}
        func inputEnding() { isInputEnding = true }
        func inputClosed() { isInputClosed = true }
        func outputFinished() {}
        func closed(_ error: (any Error)?) {
            transport = nil
            isClosed = true
        }
    }

    @discardableResult
    private static func on<Value: Sendable>(
        _ loop: SocketLoop, _ body: @escaping @Sendable () -> Value
    ) async -> Value {
        await withCheckedContinuation { continuation in
            loop.execute { continuation.resume(returning: body()) }
        }
    }

    private static func pair() throws -> (Int32, Int32) {
        var ends: [Int32] = [-1, -1]
        let result = socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends)
        try #require(result == 0)
        return (ends[0], ends[1])
    }

    private static func open(_ end: Int32, _ loop: SocketLoop, _ user: User) {
        try? SocketTransport(loop: loop, user: user).open(StreamSocket(adopting: OwnedDescriptor(adopting: end)))
    }

    /// Runs `body` with a transport's user and the blocking other end, whose closing is the body's.
    private func withTransport(_ body: (SocketLoop, User, Int32) async throws -> Void) async throws {
        let (mine, other) = try Self.pair()
        let loop = try SocketLoop(outside: MultiThreadedEventLoopGroup.singleton.any())
        try loop.start()
        let user = User()
        await Self.on(loop) {
            Self.open(mine, loop, user)
        }
        try await body(loop, user, other)
        loop.stop()
    }

    /// As many bytes as come before the end of the stream.
    private static func readToEnd(_ descriptor: Int32) -> Int {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        var total = 0
        while true {
            let count = Glibc.read(descriptor, &bytes, bytes.count)
            if count <= 0 { return total }
            total += count
        }
    }

    @Test func aLoopThatStopsClosesWhatIsLeft() async throws {
        try await withTransport { loop, _, other in
            loop.stop()
            #expect(Self.readToEnd(other) == 0)
            close(other)
        }
    }

    @Test func whatWaitsIsSentBeforeTheClose() async throws {
        try await withTransport { loop, user, other in
            let count = 1 << 20
            let isWritable = await Self.on(loop) {
                user.transport?.write(ByteBuffer(repeating: 0x61, count: count))
                user.transport?.closeAfterFlush()
                return user.transport?.isWritable
            }
            #expect(isWritable == false)
            #expect(Self.readToEnd(other) == count)
            close(other)
        }
    }

    /// Closing it dropped what the kernel had not taken, so a slow client lost the end of what was sent through TLS.
    @Test func whatAChannelWasGivenIsSentBeforeItCloses() async throws {
        try await withTransport { loop, _, other in
            close(other)
            let (mine, peer) = try Self.pair()
            let count = 1 << 20
            let closed = await Self.on(loop) {
                let channel = SocketChannel(loop: loop)
                try? channel.open(StreamSocket(adopting: OwnedDescriptor(adopting: mine)))
                channel.writeAndFlush(ByteBuffer(repeating: 0x61, count: count), promise: nil)
                let closing = channel.close()
                return closing.and(channel.closeFuture)
            }
            #expect(Self.readToEnd(peer) == count)
            _ = try await closed.get()
            close(peer)
        }
    }

    /// The peer sends all of its bytes, and its end.
    private static func sendAndClose(_ other: Int32, count: Int) -> Int {
        let bytes = [UInt8](repeating: 0x61, count: count)
        let written = Glibc.write(other, bytes, count)
        #expect(written == count)
        close(other)
        return count
    }

    /// Everything that the peer had sent was read at once, however little of it the user could pass on.
    @Test func afterAFailureNoMoreIsReadThanIsWanted() async throws {
        try await withTransport { loop, user, other in
            let sent = Self.sendAndClose(other, count: 100_000)
            await Self.on(loop) {
                user.transport?.write(ByteBuffer(string: "nobody reads it"))
                user.transport?.flush()
            }
            // A transport goes on behind the work of the round in which it was told to.
            for _ in 0..<3 { await Self.on(loop) {} }
            let isUntouched = await Self.on(loop) { user.received.isEmpty && !user.isClosed }
            #expect(isUntouched)
            await Self.on(loop) { user.transport?.read() }
            for _ in 0..<3 { await Self.on(loop) {} }
            let first = await Self.on(loop) { user.received }
            #expect(first == [65_536])
            while await !Self.on(loop, { user.isClosed }) { await Self.on(loop) { user.transport?.read() } }
            let received = await Self.on(loop) { user.received.reduce(0, +) }
            #expect(received == sent)
        }
    }

    /// A read that filled the buffer exactly is not the last one.
    @Test func theEndBehindAFullReadIsSeen() async throws {
        try await withTransport { loop, user, other in
            let sent = Self.sendAndClose(other, count: 65_536)
            while await !Self.on(loop, { user.isInputClosed || user.isClosed }) {
                await Self.on(loop) { user.transport?.read() }
            }
            let received = await Self.on(loop) { user.received.reduce(0, +) }
            #expect(received == sent)
        }
    }

    /// Its event is on the way when a connection is closed, and the next one has got its place.
    @Test func anEventThatComesLateIsNotTheNextConnections() async throws {
        try await withTransport { loop, first, other in
            let (mine, others) = try Self.pair()
            let (last, lasts) = try Self.pair()
            let (second, third) = (User(), User())
            await Self.on(loop) {
                Self.open(mine, loop, second)
                first.onReceived = {
                    second.transport?.close()
                    Self.open(last, loop, third)
                }
                first.transport?.read()
            }
            // Both within one round of the loop, in this order.
            let written = await Self.on(loop) {
                defer { close(others) }
                return Glibc.write(other, "x", 1)
            }
            #expect(written == 1)
            while await Self.on(loop, { third.transport == nil }) {}
            for _ in 0..<3 { await Self.on(loop) {} }
            let (isClosed, isTold) = await Self.on(loop) { (second.isClosed, third.isInputEnding) }
            #expect(isClosed && !isTold)
            for end in [other, lasts] { close(end) }
        }
    }
}
