// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import LinuxSystem
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Testing

@testable import Router

/// Certificates, and HTTP/1.1 inside TLS.
@Suite(.timeLimit(.minutes(2)))
struct TLSTests {
    private let authority = TestAuthority()

    private func tls() throws -> RouterTLS { try RouterTLS { [authority] in try authority.issue($0) } }

    private func withDirectory(_ body: (String) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.path + "/router-tls-\(UInt64.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        let result: Result<Void, any Error>
        do { result = .success(try await body(directory)) } catch { result = .failure(error) }
        try FileManager.default.removeItem(atPath: directory)
        try result.get()
    }

    @Test(arguments: [[], ["http/1.1"]])
    func aClientWithoutHTTP2GetsHTTP1AndTheAppLearnsOfTLS(_ protocols: [String]) async throws {
        let backend = try await Backend.echo()
        try await withRouter(["web": backend], tls: tls()) { router in
            let wire = try await Wire.connect(tlsPort: router.tlsPort, protocols: protocols)
            for _ in 1...2 {
                try await wire.send("GET /apps/web/ HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: http\r\n\r\n")
                let answer = try await wire.receiveMessage()
                #expect(answer.status == 200)
                #expect(answer.contains("X-Forwarded-Proto: https\r\n"))
                #expect(!answer.contains("X-Forwarded-Proto: http\r\n"))
            }
            await wire.close()
        }
    }

    @Test func aRedirectToTheAppItselfKeepsTheScheme() async throws {
        let address = Mutex("")
        let backend = try await Backend { wire, _ in
            _ = try await wire.receive(until: "\r\n\r\n")
            let location = address.withLock { $0 }
            try await wire.send("HTTP/1.1 302 Found\r\nLocation: http://\(location)/next\r\nContent-Length: 0\r\n\r\n")
        }
        address.withLock { $0 = "127.0.0.1:\(backend.port)" }
        try await withRouter(["web": backend], tls: tls()) { router in
            let wire = try await Wire.connect(tlsPort: router.tlsPort)
            try await wire.send("GET /apps/web/ HTTP/1.1\r\nHost: pub.test:8443\r\nConnection: close\r\n\r\n")
            let answer = try await wire.receiveAll()
            #expect(answer.values("location") == ["https://pub.test:8443/apps/web/next"])
            await wire.close()
        }
    }

    @Test func aHandshakeThatDoesNotComeIsCutOff() async throws {
        try await withRouter(tls: tls(), configure: { $0.headTimeout = .milliseconds(200) }) { router in
            let silent = try await Wire.connect(port: router.tlsPort)
            #expect(try await silent.receiveAll().isEmpty)
            let talker = try await Wire.connect(port: router.tlsPort)
            try await talker.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            // An alert, perhaps, but no HTTP.
            #expect((try? await talker.receiveAll())?.contains("HTTP/") != true)
        }
    }

    /// A client whose handshake was under way when the router handed its sockets over was cut off.
    @Test func whoHasNotShakenHandsYetIsWaitedForInAHandover() async throws {
        try await withRouter(tls: tls()) { router in
            // Accepted in their order: once the second has its answer, the first is the router's, too.
            let late = try await Wire.connect(port: router.tlsPort)
            let used = try await Wire.connect(tlsPort: router.tlsPort)
            router.server.handOver(grace: .seconds(3_600))
            var answer = ""
            repeat {
                try await used.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                answer = try await used.receiveMessage()
            } while !answer.contains("Connection: close")
            _ = try await used.receiveAll()
            await used.close()
            // A hello without anything in it is answered by an alert.
            try await late.send(ByteBuffer(bytes: [0x16, 3, 1, 0, 4, 1, 0, 0, 0]))
            #expect(try await late.receiveAll().utf8.starts(with: [0x15, 3]))
        }
    }

    /// The socket for TLS stayed open, and clients waited in it, when the other address was somebody's already.
    @Test func whoCannotListenForPlainConnectionsListensForNone() async throws {
        let taken = try ListeningSocket.bind(host: "127.0.0.1", port: 0)
        let given = try ListeningSocket.bind(host: "127.0.0.1", port: 0)
        let (port, address) = (try ListeningSocket.address(of: taken).port, try ListeningSocket.address(of: given))
        let server = RouterServer(
            configuration: RouterConfiguration(host: "127.0.0.1", port: Int(port)), table: RouteTable(),
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test"),
            tls: RouterTLSListener(host: "127.0.0.1", port: 0, tls: try tls(), listeningSocket: given.relinquish()))
        await #expect(throws: RouterError.self) { try await server.run() }
        await #expect(throws: (any Error).self) { try await Wire.connect(port: Int(address.port)) }
    }

    @Test func filesAreReadAgainAndAFailureChangesNothing() async throws {
        try await withDirectory { directory in
            let files = try authority.write("localhost", to: directory)
            let tls = try RouterTLS(certificateFile: files.certificate, keyFile: files.key)
            try await withRouter(tls: tls) { router in
                try Data("nothing".utf8).write(to: URL(filePath: files.certificate))
                let error = #expect(throws: RouterError.self) { try tls.reload() }
                #expect(error?.description.contains(files.certificate) == true)
                _ = try await TLSClient.connect(port: router.tlsPort).close()
                _ = try authority.write("localhost", to: directory)
                try tls.reload()
                _ = try await TLSClient.connect(port: router.tlsPort).close()
            }
        }
    }

    @Test func unusableFilesAreRefusedByName() async throws {
        try await withDirectory { directory in
            let good = try authority.write("localhost", to: directory)
            let expired = try authority.write("expired", days: -1, to: directory)
            let stranger = try TestAuthority().write("stranger", to: directory)
            for (certificate, key, culprit) in [
                (directory + "/none.pem", good.key, "none.pem"),
                (good.certificate, directory + "/none.key", "none.key"),
                (good.key, good.key, "localhost.key"), (expired.certificate, expired.key, "expired.pem"),
                (good.certificate, stranger.key, "stranger.key"),
            ] {
                let error = #expect(throws: RouterError.self) {
                    try RouterTLS(certificateFile: certificate, keyFile: key)
                }
                #expect(error?.description.contains(culprit) == true)
            }
        }
    }

    @Test func certificatesAreMadeForAppsOnlyAndOnlyOnce() throws {
        let names = Mutex<[String]>([])
        let issuer = CertificateIssuer { [authority] name in
            names.withLock { $0.append(name) }
            return try authority.issue(name)
        }
        for name in [
            "Shop.localhost", "shop.localhost", nil, "", "evil.example", "a.b.localhost", "127.0.0.1", "x\u{0}y",
        ] {
            _ = try issuer.override(for: name)
        }
        #expect(names.withLock { $0 } == ["shop.localhost", "localhost"])
    }

    @Test func aCertificateIsMadeAnewInTime() throws {
        let count = Counter()
        let issuer = CertificateIssuer { [authority] name in
            count.add(1)
            var issued = try authority.issue(name)
            issued.renewAfter = .zero
            return issued
        }
        for _ in 1...2 { _ = try issuer.override(for: nil) }
        #expect(count.value == 2)
    }
}
