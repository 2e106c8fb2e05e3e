// SPDX-License-Identifier: Apache-2.0

import Crypto
import FoundationEssentials
import NIOCore
import NIOHPACK
import NIOHTTP2
import NIOPosix
import NIOSSL
import SwiftASN1
import X509

@testable import Router

/// An authority of the tests' own, with one key for everything.
struct TestAuthority {
    private let key = P256.Signing.PrivateKey()

    func issue(_ name: String, days: Int = 1) throws -> RouterTLS.Issued {
        let subject = try DistinguishedName { CommonName(name) }
        let certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(key.publicKey),
            notValidBefore: Date().addingTimeInterval(-100_000),
            notValidAfter: Date().addingTimeInterval(Double(days) * 86_400), issuer: subject, subject: subject,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions { SubjectAlternativeNames([.dnsName(name)]) },
            issuerPrivateKey: .init(key))
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        return RouterTLS.Issued(
            certificate: serializer.serializedBytes, key: Array(key.pemRepresentation.utf8), renewAfter: .seconds(60))
    }

    /// The same as the two files that an operator has.
    func write(_ name: String, days: Int = 1, to directory: String) throws -> (certificate: String, key: String) {
        let issued = try issue(name, days: days)
        let files = (certificate: directory + "/\(name).pem", key: directory + "/\(name).key")
        let pem = PEMDocument(type: "CERTIFICATE", derBytes: issued.certificate).pemString
        try Data(pem.utf8).write(to: URL(filePath: files.certificate))
        try Data(issued.key).write(to: URL(filePath: files.key))
        return files
    }
}

/// A client's connection with TLS, with or without HTTP/2 inside.
struct TLSClient {
    let channel: any Channel
    private let multiplexer: NIOHTTP2Handler.StreamMultiplexer?

    /// - Parameter handler: what speaks inside, for HTTP/1.1.
    static func connect(
        port: Int, name: String = "localhost", protocols: [String] = ["h2"],
        _ handler: (@Sendable () -> any ChannelHandler)? = nil
    ) async throws -> TLSClient {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.applicationProtocols = protocols
        configuration.certificateVerification = .none
        let context = try NIOSSLContext(configuration: configuration)
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            // HTTP/2 knows no half of a connection.
            .channelOption(.allowRemoteHalfClosure, value: handler != nil)
        let (channel, multiplexer) = try await bootstrap.connect(host: "127.0.0.1", port: port) { channel in
            channel.eventLoop.makeCompletedFuture {
                let pipeline = channel.pipeline.syncOperations
                try pipeline.addHandler(NIOSSLClientHandler(context: context, serverHostname: name))
                if let handler {
                    try pipeline.addHandler(handler())
                    return (channel, NIOHTTP2Handler.StreamMultiplexer?.none)
                }
                // What a server must refuse has to leave the client first.
                var connection = NIOHTTP2Handler.ConnectionConfiguration()
                connection.headerBlockValidation = .disabled
                connection.contentLengthValidation = .disabled
                return (
                    channel,
                    try pipeline.configureHTTP2Pipeline(
                        mode: .client, connectionConfiguration: connection, streamConfiguration: .init()
                    ) { $0.close() }
                )
            }
        }
        return TLSClient(channel: channel, multiplexer: multiplexer)
    }

    /// Opens a stream of HTTP/2.
    func stream() async throws -> HTTP2TestStream {
        guard let multiplexer else { throw ChannelError.ioOnClosedChannel }
        let promise = channel.eventLoop.makePromise(of: HTTP2Answer.self)
        let stream = try await multiplexer.createStreamChannel { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(HTTP2TestHandler(promise: promise))
            }
        }.get()
        return HTTP2TestStream(channel: stream, answer: promise.futureResult)
    }

    /// One request and its answer.
    func exchange(
        _ fields: [(String, String)] = [], method: String = "GET", path: String = "/apps/web/",
        authority: String? = "router.test", body: String? = nil, trailers: [(String, String)]? = nil
    ) async throws -> HTTP2Answer {
        let stream = try await stream()
        let pseudo =
            [(":method", method), (":scheme", "https"), (":path", path)]
            + (authority.map { [(":authority", $0)] } ?? [])
        try await stream.send(pseudo + fields, end: body == nil && trailers == nil)
        if let body { try await stream.send(body: body, end: trailers == nil) }
        if let trailers { try await stream.send(trailers, end: true) }
        return try await stream.answer.get()
    }

    func close() async { try? await channel.close() }
}

struct HTTP2Answer: Sendable {
    var status = ""
    var fields: [String: [String]] = [:]
    var body = ""
    var trailers: [String: [String]] = [:]
    var interim: [String] = []
    /// The stream was reset, with or without an answer.
    var reset: HTTP2ErrorCode?
}

struct HTTP2TestStream: Sendable {
    let channel: any Channel
    let answer: EventLoopFuture<HTTP2Answer>

    func send(_ fields: [(String, String)], end: Bool) async throws {
        let frame = HTTP2Frame.FramePayload.headers(.init(headers: HPACKHeaders(fields), endStream: end))
        try await channel.writeAndFlush(frame)
    }

    func send(body: String, end: Bool) async throws {
        let data = HTTP2Frame.FramePayload.data(.init(data: .byteBuffer(ByteBuffer(string: body)), endStream: end))
        try await channel.writeAndFlush(data)
    }
}

final class HTTP2TestHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload

    let promise: EventLoopPromise<HTTP2Answer>
    private var answer = HTTP2Answer()

    init(promise: EventLoopPromise<HTTP2Answer>) { self.promise = promise }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .headers(let frame):
            let fields = Dictionary(grouping: frame.headers, by: \.name).mapValues { $0.map(\.value) }
            let status = fields[":status"]?.first
            if let status, status.hasPrefix("1") {
                answer.interim.append(status)
            } else if let status {
                (answer.status, answer.fields) = (status, fields)
            } else {
                answer.trailers = fields
            }
            if frame.endStream { promise.succeed(answer) }
        case .data(let frame):
            if case .byteBuffer(let bytes) = frame.data { answer.body += String(buffer: bytes) }
            if frame.endStream { promise.succeed(answer) }
        case .rstStream(let code):
            answer.reset = code
            promise.succeed(answer)
        default: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let closed = error as? NIOHTTP2Errors.StreamClosed { answer.reset = closed.errorCode }
        promise.succeed(answer)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { promise.succeed(answer) }
}
