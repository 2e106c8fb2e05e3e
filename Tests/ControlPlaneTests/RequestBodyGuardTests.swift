// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import Testing

@testable import ControlPlane

struct RequestBodyGuardTests {
    /// One connection, with a clock of its own.
    private final class Connection {
        let channel = EmbeddedChannel(handler: RequestBodyGuard())
        let head = HTTPRequest(method: .post, scheme: nil, authority: "a", path: "/apps")

        var isOpen: Bool { channel.isActive }

        init() throws {
            try channel.connect(to: SocketAddress(unixDomainSocketPath: "/test")).wait()
        }

        func send(_ part: HTTPRequestPart) throws {
            // What follows the end of the connection reaches nobody.
            if channel.isActive { try channel.writeInbound(part) }
        }

        func send(bytes: Int) throws { try send(.body(ByteBuffer(repeating: 0x61, count: bytes))) }

        func answer(_ status: HTTPResponse.Status, end: Bool = true) throws {
            try channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: status)))
            if end { try channel.writeOutbound(HTTPResponsePart.end(nil)) }
        }

        func pass(seconds: Int64) { channel.embeddedEventLoop.advanceTime(by: .seconds(seconds)) }
    }

    /// A byte now and then was no silence, and the room that the body took up was never free again.
    @Test func aBodyThatDripsIsEnded() throws {
        let connection = try Connection()
        try connection.send(.head(connection.head))
        try connection.send(bytes: 1 << 19)
        for second in 1...70 {
            connection.pass(seconds: 1)
            try connection.send(bytes: 10)
            if second < 50 { #expect(connection.isOpen) }
        }
        #expect(!connection.isOpen)
    }

    @Test func aBodyThatIsFastEnoughGoesOn() throws {
        let connection = try Connection()
        try connection.send(.head(connection.head))
        for _ in 1...60 {
            connection.pass(seconds: 10)
            try connection.send(bytes: 11_000)
        }
        #expect(connection.isOpen)
        try connection.send(.end(nil))
        connection.pass(seconds: 3_600)
        #expect(connection.isOpen)
    }

    @Test func whatFollowsARefusalIsReadUpToABound() throws {
        let connection = try Connection()
        try connection.send(.head(connection.head))
        try connection.answer(.contentTooLarge)
        for _ in 1...8 { try connection.send(bytes: 1 << 20) }
        #expect(connection.isOpen)
        try connection.send(bytes: 1)
        #expect(!connection.isOpen)
    }

    @Test func whatFollowsARefusalIsReadForATime() throws {
        let connection = try Connection()
        try connection.send(.head(connection.head))
        try connection.answer(.unauthorized)
        for _ in 1...29 {
            connection.pass(seconds: 1)
            try connection.send(bytes: 1)
        }
        #expect(connection.isOpen)
        connection.pass(seconds: 1)
        #expect(!connection.isOpen)
    }

    @Test func anAnsweredBodyThatEndsKeepsTheConnection() throws {
        let connection = try Connection()
        try connection.send(.head(connection.head))
        try connection.answer(.ok)
        try connection.send(bytes: 100)
        try connection.send(.end(nil))
        connection.pass(seconds: 3_600)
        #expect(connection.isOpen)
    }

    /// A session: both bodies go on for as long as they like.
    @Test func aBodyBesideItsAnswerIsFree() throws {
        let connection = try Connection()
        try connection.send(.head(connection.head))
        try connection.send(bytes: 10)
        try connection.answer(.ok, end: false)
        for _ in 1...100 {
            connection.pass(seconds: 50)
            try connection.send(bytes: 1 << 20)
        }
        #expect(connection.isOpen)
    }

    @Test func theAnswerToTheRequestBeforeSaysNothingAboutTheNextBody() throws {
        let connection = try Connection()
        try connection.send(.head(connection.head))
        try connection.send(.end(nil))
        try connection.send(.head(connection.head))
        try connection.answer(.notFound)
        for _ in 1...10 { try connection.send(bytes: 1 << 20) }
        connection.pass(seconds: 50)
        #expect(connection.isOpen)
        connection.pass(seconds: 20)
        #expect(!connection.isOpen)
    }
}
