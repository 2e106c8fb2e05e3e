// SPDX-License-Identifier: Apache-2.0

import AppNetwork
import NIOCore
import NIOHTTP1
import NIOPosix
import PaaSModel
import Supervision

/// Asks an app's health path with one HTTP request, on a connection of its own, made as the router makes one. Redirects
/// are not followed: they count as healthy, and an app must not send the agent anywhere.
struct HTTPHealthProber: HealthProber {
    let network: AppNetwork
    let eventLoopGroup: any EventLoopGroup

    func failure(instanceID: String, port: UInt16, path: String, timeout: Duration) async -> String? {
        let eventLoop = eventLoopGroup.next()
        do {
            let code = try await status(
                of: connect(instanceID, port: port, on: eventLoop, timeout: timeout), path: path, port: port,
                on: eventLoop, timeout: TimeAmount(timeout)
            ).get()
            return (200..<400).contains(code) ? nil : "answered \(code)"
        } catch is TimedOut {
            return "did not answer within \(timeout.shortText)"
        } catch {
            return "did not answer: \(error)"
        }
    }

    private func connect(
        _ instanceID: String, port: UInt16, on eventLoop: any EventLoop, timeout: Duration
    ) -> EventLoopFuture<any Channel> {
        let bootstrap = ClientBootstrap(group: eventLoop).connectTimeout(TimeAmount(timeout))
        guard let socket = network.socket(to: instanceID, on: eventLoop, timeout: timeout) else {
            return bootstrap.connect(host: "127.0.0.1", port: Int(port))
        }
        return socket.flatMap { bootstrap.withConnectedSocket($0) }
    }

    /// The status of the answer; closes the connection, whatever comes.
    private func status(
        of channel: EventLoopFuture<any Channel>, path: String, port: UInt16, on eventLoop: any EventLoop,
        timeout: TimeAmount
    ) -> EventLoopFuture<Int> {
        let answer = eventLoop.makePromise(of: Int.self)
        let deadline = eventLoop.scheduleTask(in: timeout) { answer.fail(TimedOut()) }
        answer.futureResult.whenComplete { _ in deadline.cancel() }
        channel.flatMapThrowing { channel in
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHTTPClientHandlers()
            try pipeline.addHandler(HealthAnswer(promise: answer))
            answer.futureResult.whenComplete { _ in channel.close(promise: nil) }
            let head = HTTPRequestHead(
                version: .http1_1, method: .GET, uri: path,
                headers: [
                    "Host": "127.0.0.1:\(port)", "User-Agent": "mini-paas-health/\(ProductVersion.current)",
                    "Connection": "close",
                ])
            channel.write(HTTPClientRequestPart.head(head), promise: nil)
            channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
        }.whenFailure { answer.fail($0) }
        return answer.futureResult
    }
}

private struct TimedOut: Error {}

private struct NoAnswer: Error, CustomStringConvertible {
    let description = "it closed the connection"
}

/// Waits for the head of an answer. A promise that is fulfilled twice keeps its first value.
private final class HealthAnswer: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    private let promise: EventLoopPromise<Int>

    init(promise: EventLoopPromise<Int>) { self.promise = promise }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(let head) = unwrapInboundIn(data), head.status.code >= 200 else { return }
        promise.succeed(Int(head.status.code))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { promise.fail(error) }

    func channelInactive(context: ChannelHandlerContext) { promise.fail(NoAnswer()) }
}
