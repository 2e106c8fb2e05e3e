// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinuxSystem
import PaaSModel
import Testing

@testable import Sandbox

/// The network namespace of a run and the way in, with the real `paas-init`.
@Suite(.serialized, .enabled(if: InitRun.isPossible, InitRun.requirement))
struct InitConnectorTests {
    /// Listens on PORT and greets whoever comes.
    private static let server = """
        exec python3 -c 'import os, socket
        s = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
        print("up", flush=True)
        while True:
            c, peer = s.accept()
            c.sendall(b"hello " + peer[0].encode())
            c.close()'
        """
    private static let request: [UInt8] = withUnsafeBytes(of: UInt32(0x4E43_5050)) { Array($0) }

    private func client(of run: InitRun) throws -> MessageSocket {
        try MessageSocket.connect(to: run.directory + "/connector", waits: false)
    }

    private struct NothingCame: Error {}

    /// One answer, waited for; of no bytes at the end of the connection.
    private func answer(_ client: borrowing MessageSocket) throws -> MessageSocket.Message {
        try waitUntilReadable(client.descriptor)
        guard let answer = try client.receive(limit: 8, descriptors: 1) else { throw NothingCame() }
        return answer
    }

    /// Asks for a socket.
    private func socket(_ client: borrowing MessageSocket) throws -> OwnedDescriptor {
        try client.send(Self.request)
        let answer = try answer(client)
        #expect(answer.bytes == [0, 0, 0, 0])
        guard let socket = answer.takeDescriptor() else { throw NothingCame() }
        return socket
    }

    private func waitUntilReadable(_ descriptor: borrowing OwnedDescriptor) throws {
        var request = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
        try #require(poll(&request, 1, 30_000) == 1, "nothing came")
    }

    /// Asks for a socket and reads from it to the end.
    private func greeting(_ client: borrowing MessageSocket) throws -> String {
        let socket = try socket(client)
        // While the app's queue is full it is still connecting.
        var connected = pollfd(fd: socket.rawValue, events: Int16(POLLOUT), revents: 0)
        try #require(poll(&connected, 1, 30_000) == 1)
        let state = TCPSocket.state(of: socket)
        #expect(state == .connected)
        var bytes: [UInt8] = []
        try withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { buffer in
            repeat {
                try waitUntilReadable(socket)
                guard let count = try socket.read(into: buffer), count > 0 else { break }
                bytes.append(contentsOf: buffer[..<count])
            } while true
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func expectGreeting(_ client: borrowing MessageSocket) throws {
        let text = try greeting(client)
        #expect(text == "hello 127.0.0.1")
    }

    private func stop(_ run: InitRun) throws {
        try run.process.value.send(signal: SIGTERM)
        #expect(try run.wait() != .unknown)
        #expect(run.record?.outcome == .signaled(signal: SIGTERM, coreDumped: false))
    }

    @Test func connectorLeadsToTheAppsPort() throws {
        let run = try InitRun(.shell(Self.server))
        try run.waitForOutput(containing: "up")
        let client = try client(of: run)
        for _ in 0..<3 { try expectGreeting(client) }
        try stop(run)
    }

    @Test func twoClientsAreServedAndOneThatLeavesMakesRoom() throws {
        let run = try InitRun(.shell(Self.server))
        try run.waitForOutput(containing: "up")
        // More than there is room for at a time.
        for _ in 0..<3 {
            let first = try client(of: run)
            let second = try client(of: run)
            try expectGreeting(first)
            try expectGreeting(second)
        }
        try stop(run)
    }

    @Test func aPortThatNobodyListensOnIsRefused() throws {
        let run = try InitRun(.shell("echo up; exec sleep 1000"))
        try run.waitForOutput(containing: "up")
        let client = try client(of: run)
        let socket = try socket(client)
        let state = TCPSocket.state(of: socket)
        #expect(state == .failed(ECONNREFUSED))
        try stop(run)
    }

    @Test(arguments: [[0], [1, 2, 3, 4], Array(repeating: UInt8(0x50), count: 4_096)] as [[UInt8]])
    func aClientThatTalksNonsenseIsDisconnectedAndTheNextIsServed(nonsense: [UInt8]) throws {
        let run = try InitRun(.shell(Self.server))
        try run.waitForOutput(containing: "up")
        let bad = try client(of: run)
        try bad.send(nonsense)
        let answer = try answer(bad)
        #expect(answer.bytes.isEmpty)
        let good = try client(of: run)
        try expectGreeting(good)
        try stop(run)
    }

    @Test func aClientThatDoesNotReadHoldsNobodyUp() throws {
        let run = try InitRun(.shell(Self.server))
        try run.waitForOutput(containing: "up")
        let bad = try client(of: run)
        var failure: Int32?
        while failure == nil {
            do { try bad.send(Self.request) } catch  where error.errno == EAGAIN {
                // paas-init has not come to reading them; it will, and wake this up.
                var room = pollfd(fd: bad.descriptor.rawValue, events: Int16(POLLOUT), revents: 0)
                try #require(poll(&room, 1, 30_000) == 1)
            } catch {
                failure = error.errno
            }
        }
        #expect(failure == EPIPE || failure == ECONNRESET)
        let good = try client(of: run)
        try expectGreeting(good)
        try stop(run)
    }

    @Test func theNetworkHasNothingButLoopback() throws {
        let text = try InitRun(.shell("tail -n +3 /proc/net/dev; cat /proc/net/route; cat /etc/resolv.conf")).finish()
        let lines = text.split(separator: "\n")
        #expect(lines.count == 3 && lines[0].contains("lo:"), "\(text)")
        #expect(lines[1].hasPrefix("Iface") && lines[2].hasPrefix("#"))
    }

    @Test func aPortOfTheHostIsNotThere() throws {
        let port: UInt16 = 19_873
        let listener = try TCPSocket.listenOnLoopback(port: port)
        let script = """
            exec python3 -c 'import socket
            for host in ("127.0.0.1", "169.254.169.254", "192.0.2.1"):
                try: socket.create_connection((host, \(port)), 5); print("reached", host)
                except OSError as e: print(e.errno)'
            """
        let text = try InitRun(.shell(script)).finish()
        #expect(text == "\(ECONNREFUSED)\n\(ENETUNREACH)\n\(ENETUNREACH)\n")
        // The same script finds it when the app shares the host's network.
        let shared = try InitRun(.shell(script)) { plan in
            plan.namespaces.remove(.network)
            plan.connectorPort = nil
        }
        #expect(try shared.finish().hasPrefix("reached 127.0.0.1\n"))
        withExtendedLifetime(listener.rawValue) {}
    }

    @Test func anAppThatAwaitsItsWayOutStartsOnceTheToolIsReady() throws {
        let run = try InitRun(.shell("echo started"), egressReady: true) { $0.awaitsEgress = true }
        #expect(try run.finish() == "started\n")
    }

    @Test func aToolThatGoesBeforeItIsReadyFailsTheStart() throws {
        let run = try InitRun(.shell("echo started"), egressReady: false) { $0.awaitsEgress = true }
        let failure = try #require(try run.startFailure())
        #expect(failure.stage == .egress && !failure.isPermanent)
        #expect(failure.description.contains("connecting the app's network to the outside"))
        _ = try run.wait()
        #expect(run.record?.outcome == .notStarted(stage: .egress, errno: 0))
        #expect(run.outputSoFar.isEmpty)
    }

    @Test func withoutAConnectorNobodyAnswers() throws {
        let run = try InitRun(.shell("echo up; exec sleep 1000")) { $0.connectorPort = nil }
        try run.waitForOutput(containing: "up")
        let client = try client(of: run)
        try client.send(Self.request)
        try stop(run)
        // What it was never accepted for ends with paas-init.
        do {
            let answer = try answer(client)
            #expect(answer.bytes.isEmpty)
        } catch let error as SystemError {
            #expect(error.errno == ECONNRESET)
        }
    }
}
