// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOEmbedded
import NIOHPACK

@testable import Router

/// A transport without a network: shows what was written, and takes what a test says.
final class BenchTransport: Transport {
    private let user: any TransportUser
    var written = ByteBuffer()
    var isWritable = true { didSet { if isWritable, !oldValue { user.becameWritable() } } }
    private(set) var hasEnded = false
    private(set) var wasReset = false
    private(set) var flushes = 0
    private(set) var wantsBytes = false

    init(user: any TransportUser) { self.user = user }

    func open() { user.opened(self) }

    func compose(_ body: (inout ByteBuffer) -> Void) { body(&written) }
    func write(_ bytes: ByteBuffer) { written.writeImmutableBuffer(bytes) }
    func flush() { flushes += 1 }
    func read() { wantsBytes = true }

    func receive(_ bytes: ByteBuffer) {
        wantsBytes = false
        user.received(bytes)
        user.receiveCompleted()
        user.keepInput()
    }

    func close() {
        guard !hasEnded else { return }
        hasEnded = true
        user.closed(nil)
    }

    func resetOnClose() { wasReset = true }
    func finishOutput() { user.outputFinished() }
    func closeAfterFlush() { if isWritable { close() } }
}

/// Time goes on when a test says so, and apps are transports of the test's own.
final class BenchThread: LoopThread, @unchecked Sendable {
    let outside: any EventLoop = EmbeddedEventLoop()
    private(set) var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private var timers = TimerHeap()
    private var continuations: [any LoopContinuation] = []
    private(set) var apps: [BenchTransport] = []

    func execute(_ body: @escaping @Sendable () -> Void) { preconditionFailure("a bench has one thread") }

    func continueLater(_ continuation: any LoopContinuation) { continuations.append(continuation) }

    func run() {
        while !continuations.isEmpty { continuations.removeFirst().goOn() }
    }

    func advance(by duration: Duration) {
        now = now + TimeAmount(duration)
        while let timer = timers.popDue(now: now) { timer.fire() }
        run()
    }

    func schedule(_ timer: DeadlineTimer, at time: NIODeadline) { timers.insert(timer) }
    func unschedule(_ timer: DeadlineTimer) { timers.remove(timer) }

    func connect(
        _ connection: UpstreamConnection, to address: SocketAddress, timeout: Duration,
        completion: @escaping (Result<Void, any Error>) -> Void
    ) {
        let transport = BenchTransport(user: connection)
        apps.append(transport)
        transport.open()
        completion(.success(()))
    }

    func adopt(
        _ connection: UpstreamConnection, socket: NIOBSDSocket.Handle,
        completion: @escaping (Result<Void, any Error>) -> Void
    ) { preconditionFailure("apps of a bench have no sockets") }
}

/// A connection of HTTP/2 with its router loop, its client and its apps, all in the test's hands.
final class HTTP2Bench {
    struct Frame: Equatable, CustomStringConvertible {
        let kind: UInt8
        let flags: UInt8
        let stream: UInt32
        let payload: [UInt8]

        /// The last four bytes as a number.
        var number: UInt32 { ByteBuffer(bytes: payload.suffix(4)).getInteger(at: 0) ?? 0 }

        var description: String {
            "\(kind)/\(flags)/\(stream) \(payload.count <= 16 ? "\(payload)" : "\(payload.count) bytes")"
        }
    }

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + frame(4, stream: 0)
    /// GET, https, /apps/web/, and the authority "a".
    static let get: [UInt8] = [0x82, 0x87, 0x04, 0x0A] + Array("/apps/web/".utf8) + [0x01, 0x01, 0x61]
    static let post: [UInt8] = [0x83] + get.dropFirst()

    let thread = BenchThread()
    let client: BenchTransport
    let loop: RouterLoop
    var apps: [BenchTransport] { thread.apps }

    init(configure: (inout RouterConfiguration) -> Void = { _ in }) {
        var configuration = RouterConfiguration()
        configure(&configuration)
        let table = RouteTable()
        table.set(
            app: "web", route: Route(state: .ready, upstreams: [Upstream(id: "i", host: "127.0.0.1", port: 1)]))
        loop = RouterLoop(
            thread: thread, configuration: configuration, table: table,
            limiter: ConnectionLimiter(limits: configuration.limits), sockets: nil, accessLog: nil)
        client = BenchTransport(
            user: HTTP2Connection(loop: loop, client: Client(address: "127.0.0.1", isEncrypted: true)))
        client.open()
    }

    static func frame(_ kind: UInt8, _ flags: UInt8 = 0, stream: UInt32, _ payload: [UInt8] = []) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeFrameHead(kind, flags: flags, stream: stream, length: payload.count)
        return Array(buffer.readableBytesView) + payload
    }

    /// An increment, a code, or a setting's value.
    static func number(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }

    static func setting(_ id: UInt8, _ value: UInt32) -> [UInt8] { frame(4, stream: 0, [0, id] + number(value)) }

    /// Field lines that are not to be remembered.
    static func fields(_ fields: [(String, String)]) -> [UInt8] {
        var bytes: [UInt8] = []
        for (name, value) in fields {
            bytes += [0, UInt8(name.utf8.count)]
            bytes += Array(name.utf8)
            bytes.append(UInt8(value.utf8.count))
            bytes += Array(value.utf8)
        }
        return bytes
    }

    /// Has the router take bytes, and returns what it says then.
    @discardableResult
    func send(_ bytes: [UInt8]) -> [Frame] {
        client.receive(ByteBuffer(bytes: bytes))
        thread.run()
        return frames()
    }

    /// Has the router take what an app says.
    @discardableResult
    func answer(_ app: Int = 0, _ text: String) -> [Frame] {
        apps[app].receive(ByteBuffer(string: text))
        thread.run()
        return frames()
    }

    /// What the router has said since the last time.
    func frames() -> [Frame] {
        var frames: [Frame] = []
        while let (high, low, kind, flags, stream) = client.written.readMultipleIntegers(
            as: (UInt8, UInt16, UInt8, UInt8, UInt32).self),
            let payload = client.written.readBytes(length: Int(high) << 16 | Int(low))
        {
            frames.append(Frame(kind: kind, flags: flags, stream: stream, payload: payload))
        }
        return frames
    }
}

extension [HTTP2Bench.Frame] {
    /// Why streams were reset, or the connection ended: RST_STREAM and GOAWAY without the last stream.
    var codes: [UInt32] {
        filter { $0.kind == 3 || $0.kind == 7 }.map { $0.number }
    }

    /// The length of all content of a stream.
    func content(_ stream: UInt32) -> Int {
        filter { $0.kind == 0 && $0.stream == stream }.reduce(0) { $0 + $1.payload.count }
    }

    func of(_ kind: UInt8) -> [HTTP2Bench.Frame] { filter { $0.kind == kind } }
}

extension HTTP2Bench {
    /// Nothing of the connection or its streams is left in the router.
    var loopIsEmpty: Bool {
        let ends = Counter()
        loop.shutDown { ends.add(1) }
        return ends.value == 1
    }
}
