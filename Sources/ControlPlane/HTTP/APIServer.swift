// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import HummingbirdTLS
public import Logging
internal import NIOCore
internal import NIOPosix
public import ServiceLifecycle

/// One listener of the API, as a service.
///
/// Not Hummingbird's `Application`: that renews its cached date every second, and an idle control plane must not
/// wake up.
public struct APIServer: Service {
    /// Where to listen.
    public enum Address: Hashable, Sendable, CustomStringConvertible {
        /// TCP.
        case tcp(host: String, port: Int)
        /// A Unix socket, made with mode 0600.
        case unixSocket(path: String)

        /// `127.0.0.1:7070` or the path.
        public var description: String {
            switch self {
            case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
            case .unixSocket(let path): path
            }
        }
    }

    /// Connections that one listener serves at the same time; further ones wait to be accepted.
    public static let maxConnections = 1_024

    private let address: Address
    private let api: ControlPlaneAPI
    private let rule: AccessRule
    private let certificate: APICertificate?
    private let logger: Logger
    private let onListening: @Sendable (Address) async -> Void

    /// Creates the listener.
    ///
    /// - Parameters:
    ///   - address: where to listen.
    ///   - api: what to serve.
    ///   - rule: how clients are told apart.
    ///   - certificate: for TLS; nil without it.
    ///   - logger: gets what goes wrong.
    ///   - onListening: called once with the real address: port 0 has become a port.
    public init(
        _ address: Address, api: ControlPlaneAPI, rule: AccessRule, certificate: APICertificate? = nil, logger: Logger,
        onListening: @escaping @Sendable (Address) async -> Void = { _ in }
    ) {
        self.address = address
        self.api = api
        self.rule = rule
        self.certificate = certificate
        self.logger = logger
        self.onListening = onListening
    }

    /// Listens until the service group shuts down; returns when all requests are answered.
    ///
    /// - Throws: `StartupError` when the address cannot be had.
    public func run() async throws {
        let responder = api.responder(rule)
        let (address, logger, onListening) = (address, logger, onListening)
        let bodies = BodyBudget()
        let bind: BindAddress
        switch address {
        case .tcp(let host, let port): bind = .hostname(host, port: port)
        case .unixSocket(let path):
            try HomeDirectories.clearStaleSocket(path)
            bind = .unixDomainSocket(path: path)
        }
        let channel = HTTP1Channel.Configuration(
            additionalChannelHandlers: [RequestBodyGuard()],
            idleTimeout: .seconds(60),
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: 16_384, maxHeaderListSize: 65_536, maxHeaderFieldCount: 100))
        // Hummingbird's own messages are for its developers; what matters is thrown.
        var quiet = logger
        quiet.logLevel = .critical
        let plain = HTTPServerBuilder.http1(configuration: channel)
        let server = try (certificate.map { try .tls(plain, tlsConfiguration: $0.configuration) } ?? plain).buildServer(
            configuration: ServerConfiguration(
                address: bind, availableConnectionsDelegate: .maximum(Self.maxConnections, logger: quiet)),
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: quiet
        ) { request, writer, channel in
            if request.headers[.expect]?.lowercased() == "100-continue" {
                try await writer.writeInformationalHead(HTTPResponse(status: .continue))
            }
            let source = ApplicationRequestContextSource(channel: channel, logger: logger)
            var context = APIContext(source: source)
            context.bodyShare = BodyBudget.Share(bodies)
            var response = try await responder.respond(to: request, context: context)
            // The answer may go on for hours, and the body is not needed for it.
            context.bodyShare = nil
            response.headers[.date] = HTTPDate.now()
            try await writer.write(response: response.head, body: response.body)
        } onServerRunning: { channel in
            switch address {
            case .tcp(let host, let port):
                await onListening(.tcp(host: host, port: channel.localAddress?.port ?? port))
            case .unixSocket(let path):
                // Nobody else could connect before this either: the directory is this user's alone.
                chmod(path, 0o600)
                await onListening(address)
            }
        }
        do {
            try await server.run()
        } catch let error as IOError where [EADDRINUSE, EACCES, EADDRNOTAVAIL].contains(error.errnoCode) {
            throw Self.explained(error.errnoCode, address)
        }
    }

    private static func explained(_ code: CInt, _ address: Address) -> StartupError {
        guard case .tcp(_, let port) = address else {
            return StartupError("cannot listen on \(address): \(String(cString: strerror(code)))")
        }
        switch code {
        case EADDRINUSE:
            let holder = PortHolder.describe(port: port).map { "used by \($0)" } ?? "in use"
            return StartupError(
                "cannot listen on \(address): the port is \(holder); choose another one with --listen HOST:PORT")
        case EACCES:
            return StartupError("cannot listen on \(address): not allowed; choose a port above 1023 with --listen")
        default:
            return StartupError("cannot listen on \(address): it is not an address of this machine; change --listen")
        }
    }
}
