// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix

@testable import Router

/// A TCP connection of a test: bytes out, bytes in, nothing interpreted.
final class Wire: Sendable {
    /// The stream ended before what was waited for had come.
    struct Ended: Error, CustomStringConvertible {
        var received: String
        var description: String { "the stream ended after: \(received.debugDescription)" }
    }

    let channel: any Channel
    private let handler: NIOLoopBound<WireHandler>

    fileprivate init(channel: any Channel, handler: NIOLoopBound<WireHandler>) {
        self.channel = channel
        self.handler = handler
    }

    static func connect(port: Int, host: String = "127.0.0.1") async throws -> Wire {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(WireHandler())
                }
            }
            .connect(host: host, port: port)
            .flatMapThrowing { try Wire.adopt($0) }.get()
    }

    /// The same inside TLS.
    static func connect(tlsPort: Int, protocols: [String] = []) async throws -> Wire {
        let client = try await TLSClient.connect(port: tlsPort, protocols: protocols) { WireHandler() }
        return try await client.channel.eventLoop.submit { try Wire.adopt(client.channel) }.get()
    }

    /// On the channel's event loop; it must have a ``WireHandler``.
    static func adopt(_ channel: any Channel) throws -> Wire {
        let handler = try channel.pipeline.syncOperations.handler(type: WireHandler.self)
        return Wire(channel: channel, handler: NIOLoopBound(handler, eventLoop: channel.eventLoop))
    }

    func send(_ text: String) async throws {
        try await channel.writeAndFlush(ByteBuffer(string: text))
    }

    func send(_ bytes: ByteBuffer) async throws {
        try await channel.writeAndFlush(bytes)
    }

    /// Everything up to and including the marker.
    func receive(until marker: String) async throws -> String {
        try await receive { buffer in
            let bytes = Array(buffer.readableBytesView)
            let wanted = Array(marker.utf8)
            guard bytes.count >= wanted.count else { return nil }
            return (0...bytes.count - wanted.count).first { bytes[$0..<$0 + wanted.count].elementsEqual(wanted) }
                .map { $0 + wanted.count }
        }
    }

    /// Exactly so many bytes.
    func receive(count: Int) async throws -> String {
        try await receive { $0.readableBytes >= count ? count : nil }
    }

    /// A message with a Content-Length, or without a body.
    func receiveMessage() async throws -> String {
        let head = try await receive(until: "\r\n\r\n")
        let length = head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
            .flatMap { Int($0.split(separator: " ")[1]) }
        return head + (try await receive(count: length ?? 0))
    }

    /// Everything until the end of the stream; throws when the connection was reset.
    func receiveAll() async throws -> String {
        try await submit { try $0.receiveAll() }
    }

    /// Throws bytes away until so many have come in all, or the stream has ended; returns how many have come.
    func discard(count: Int) async throws -> Int {
        try await submit { $0.discard(count: count) }
    }

    /// Stops reading from the socket, or goes on.
    func setReading(_ isReading: Bool) async throws {
        try await channel.setOption(.autoRead, value: isReading).get()
    }

    func closeOutput() async throws { try await channel.close(mode: .output) }

    func close() async { try? await channel.close() }

    /// Closes by a reset (RST).
    func reset() async throws {
        try await channel.eventLoop.submit { [channel] in
            // SO_LINGER on, with a time of 0: a pair that has the layout of `struct linger`.
            _ = (channel as? any SocketOptionProvider)?.unsafeSetSocketOption(
                level: .socket, name: .so_linger, value: (Int32(1), Int32(0)))
            channel.close(promise: nil)
        }.get()
    }

    private func receive(_ length: @escaping @Sendable (ByteBuffer) -> Int?) async throws -> String {
        try await submit { $0.receive(length) }
    }

    private func submit<Value: Sendable>(
        _ body: @escaping @Sendable (WireHandler) throws -> EventLoopFuture<Value>
    ) async throws -> Value {
        try await channel.eventLoop.flatSubmit { [handler, channel] in
            do { return try body(handler.value) } catch { return channel.eventLoop.makeFailedFuture(error) }
        }.get()
    }
}

final class WireHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private var buffer = ByteBuffer()
    private var waiting: (() -> Bool)?
    private var isEnded = false
    private var failure: (any Error)?
    private var context: ChannelHandlerContext?

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func receive(_ length: @escaping (ByteBuffer) -> Int?) -> EventLoopFuture<String> {
        wait { [self] promise in
            if let count = length(buffer) {
                promise.succeed(buffer.readString(length: count) ?? "")
            } else if isEnded {
                promise.fail(failure ?? Wire.Ended(received: String(buffer: buffer)))
            } else {
                return false
            }
            return true
        }
    }

    func receiveAll() throws -> EventLoopFuture<String> {
        wait { [self] promise in
            guard isEnded else { return false }
            if let failure { promise.fail(failure) } else { promise.succeed(String(buffer: buffer)) }
            buffer.clear()
            return true
        }
    }

    func discard(count: Int) -> EventLoopFuture<Int> {
        var discarded = 0
        return wait { [self] promise in
            discarded += buffer.readableBytes
            buffer.clear()
            guard discarded >= count || isEnded else { return false }
            promise.succeed(discarded)
            return true
        }
    }

    private func wait<Value>(_ attempt: @escaping (EventLoopPromise<Value>) -> Bool) -> EventLoopFuture<Value> {
        guard let eventLoop = context?.eventLoop else { preconditionFailure("the handler was never added") }
        let promise = eventLoop.makePromise(of: Value.self)
        precondition(waiting == nil, "two receives at a time")
        if !attempt(promise) { waiting = { attempt(promise) } }
        return promise.futureResult
    }

    private func changed() {
        guard let attempt = waiting else { return }
        waiting = nil
        if !attempt() { waiting = attempt }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        buffer.writeImmutableBuffer(unwrapInboundIn(data))
        changed()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else { return }
        isEnded = true
        changed()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        failure = error
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        isEnded = true
        changed()
    }
}
