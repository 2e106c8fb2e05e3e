// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import LinuxSystem

@Suite final class MessageSocketTests {
    private let directory = "/tmp/paas-messages-\(getpid())-\(UInt32.random(in: .min ... .max))"

    init() throws { try #require(mkdir(directory, 0o700) == 0) }
    deinit { for path in [directory + "/socket", directory] { remove(path) } }

    private struct NothingCame: Error {}

    private func makePair() throws -> (client: Shared<MessageSocket>, server: Shared<MessageSocket>) {
        let listener = try MessageSocket.listen(at: directory + "/socket")
        let client = try MessageSocket.connect(to: directory + "/socket", waits: false)
        guard let server = try listener.accept() else { throw NothingCame() }
        return (Shared(client), Shared(server))
    }

    /// An address holds 107 bytes; the run's directory of a home with a long name is longer.
    @Test func aPathMayBeLongerThanAnAddress() throws {
        let long = directory + "/" + String(repeating: "d", count: 120)
        try #require(mkdir(long, 0o700) == 0)
        defer { for path in [long + "/socket", long] { remove(path) } }
        let listener = try MessageSocket.listen(at: long + "/socket")
        let client = try MessageSocket.connect(to: long + "/socket", waits: true)
        guard let server = try listener.accept() else { throw NothingCame() }
        try client.send([1, 2])
        let bytes = try server.receive()?.bytes
        #expect(bytes == [1, 2])
    }

    @Test func nobodyListeningIsAnError() {
        let error = #expect(throws: SystemError.self) {
            try MessageSocket.connect(to: directory + "/none", waits: true).descriptor.rawValue
        }
        #expect(error?.errno == ENOENT)
    }

    @Test func nothingAndTheEndAreTwoThings() throws {
        let (client, server) = try makePair()
        let nothing = try client.value.receive() == nil
        #expect(nothing)
        shutdown(server.value.descriptor.rawValue, Int32(SHUT_RDWR))
        let bytes = try client.value.receive()?.bytes
        #expect(bytes == [])
    }

    /// Whether the other end of a pipe, whose own end is closed here, is held by nobody any more.
    private func isAlone(_ reader: borrowing OwnedDescriptor) -> Bool {
        var state = pollfd(fd: reader.rawValue, events: Int16(POLLIN), revents: 0)
        return poll(&state, 1, 0) == 1 && state.revents & Int16(POLLHUP) != 0
    }

    @Test func descriptorsThatNobodyTakesAreClosed() throws {
        let (client, server) = try makePair()
        var pipe = try Pipe()
        try client.value.send([1], descriptors: [pipe.writer?.rawValue ?? -1])
        pipe.closeWriter()
        let isAloneBefore = isAlone(pipe.reader)
        #expect(!isAloneBefore)
        let bytes = try server.value.receive(limit: 8, descriptors: 1)?.bytes
        #expect(bytes == [1])
        let isAloneAfter = isAlone(pipe.reader)
        #expect(isAloneAfter)
    }

    @Test func aMessageWithMoreDescriptorsThanExpectedIsRefusedAndTheyAreClosed() throws {
        let (client, server) = try makePair()
        var pipe = try Pipe()
        let writer = pipe.writer?.rawValue ?? -1
        try client.value.send([1], descriptors: [writer, writer, writer])
        pipe.closeWriter()
        let error = #expect(throws: SystemError.self) { _ = try server.value.receive(limit: 8, descriptors: 1) == nil }
        #expect(error?.errno == EMSGSIZE)
        let isAloneAfter = isAlone(pipe.reader)
        #expect(isAloneAfter)
    }

    @Test func aMessageThatIsTooLongIsRefused() throws {
        let (client, server) = try makePair()
        try client.value.send([1, 2, 3, 4, 5, 6, 7, 8, 9])
        let error = #expect(throws: SystemError.self) { _ = try server.value.receive(limit: 8) == nil }
        #expect(error?.errno == EMSGSIZE)
    }

    @Test func takenDescriptorsWork() throws {
        let (client, server) = try makePair()
        var pipe = try Pipe()
        try client.value.send([1], descriptors: [pipe.writer?.rawValue ?? -1])
        pipe.closeWriter()
        guard let message = try server.value.receive(), let writer = message.takeDescriptor() else {
            throw NothingCame()
        }
        try writer.writeAll([7])
        let bytes = pipe.reader.allBytes(limit: 8)
        #expect(bytes == [7])
    }
}
