// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import NIOCore
import PaaSModel
import Testing

@testable import ControlPlane

struct AgentLinesTests {
    /// The lines of an answer that comes in these pieces.
    private func lines(_ pieces: [ByteBuffer]) async throws -> [ByteBuffer] {
        let body = AsyncStream { continuation in
            for piece in pieces { continuation.yield(piece) }
            continuation.finish()
        }
        var found: [ByteBuffer] = []
        try await AgentLines(body: .stream(body)).forEach { found.append(ByteBuffer(bytes: $0)) }
        return found
    }

    @Test func linesAreCutWhereverThePiecesAre() async throws {
        let pieces = ["one\ntw", "o", "", "\n", "\nthree\nfour\nfi", "ve"].map { ByteBuffer(string: $0) }
        #expect(try await lines(pieces).map { String(buffer: $0) } == ["one", "two", "three", "four", "five"])
    }

    /// With 2,000 instances `paas top` used to end with "stream ended at an unexpected time".
    @Test func whatTwoThousandInstancesUseIsALineThatIsTaken() async throws {
        let piece = ByteBuffer(repeating: 0x61, count: 16 << 10)
        let pieces = Array(repeating: piece, count: 7 << 6) + [ByteBuffer(string: "\n")]
        #expect(try await lines(pieces).map(\.readableBytes) == [7 << 20])
    }

    @Test func aLineWithoutAnEndIsRefused() async throws {
        let piece = ByteBuffer(repeating: 0x61, count: 1 << 20)
        await #expect(throws: Problem.self) { try await lines(Array(repeating: piece, count: 17)) }
    }
}
