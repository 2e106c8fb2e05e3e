// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import FoundationEssentials
internal import Glibc
internal import PaaSClient
internal import PaaSModel
internal import ProgramSupport
internal import Synchronization

/// Carries one command: standard input, signals and the terminal's size to it, its output back, and its exit code out.
struct CommandSession: Sendable {
    let client: PaaSClient
    let app: String
    let place: PaaSClient.SessionPlace
    let request: SessionRequest

    /// Between two signs of life; the control plane takes a minute of silence for the client's end.
    private static let alivePause = Duration.seconds(20)

    /// Runs it to its end.
    ///
    /// - Throws: `CommandFailure` with the command's exit code unless that is 0.
    func run() async throws {
        let outgoing = OutgoingFrames()
        outgoing.send(SessionFrame(.open, Array(try JSONEncoder().encode(request))))
        let signals = SessionSignals(outgoing, isTerminal: request.terminal != nil)
        defer { signals.cancel() }
        let answers = try await opened(outgoing)
        let alive = Task {
            while (try? await Task.sleep(for: Self.alivePause)) != nil { outgoing.send(SessionFrame(.alive)) }
        }
        defer { alive.cancel() }
        let end: SessionEnd
        do {
            end = try await follow(answers, outgoing)
        } catch let error as ClientError {
            throw signals.failure
                ?? CommandFailure(
                    code: SessionEnd.failureCode, "the connection to the command broke: \(error.description)",
                    hint: "the command is ended; 'paas status \(app)' shows how the app is")
        }
        // The agent has said the last word; now the request may end.
        outgoing.finish()
        TerminalRestoration.leave()
        guard end.code != 0 else { return }
        throw CommandFailure(code: end.code, end.message)
    }

    private func opened(_ outgoing: OutgoingFrames) async throws -> SessionFrames {
        let (client, app, place) = (client, app, place)
        do {
            return try await namingApp(app, client) { try await client.session(app, place, outgoing.frames) }
        } catch ClientError.problem(let problem) where [409, 429, 503].contains(problem.status) {
            throw CommandFailure(code: SessionEnd.failureCode, problem.detail)
        }
    }

    private func follow(_ answers: SessionFrames, _ outgoing: OutgoingFrames) async throws -> SessionEnd {
        for try await frame in answers {
            switch frame.kind {
            case .started:
                if request.terminal != nil {
                    TerminalRestoration.arm("")
                    TerminalRestoration.enter(isRaw: true)
                }
                StandardInputReader.start(outgoing, isTerminal: request.terminal != nil)
            case .output: OutputStream.standard.write(frame.payload)
            case .errors: OutputStream.error.write(frame.payload)
            case .ended:
                return (try? JSONDecoder().decode(SessionEnd.self, from: Data(frame.payload)))
                    ?? .failure("the node said something that this version does not know")
            default: break
            }
        }
        return .failure("the node has ended the session; its agent may have been stopped")
    }
}

/// What is sent: frames in the order in which they were given.
final class OutgoingFrames: Sendable {
    private let stream: AsyncStream<SessionFrame>
    private let continuation: AsyncStream<SessionFrame>.Continuation
    /// Pieces of input that may wait to be sent.
    private let room = DispatchSemaphore(value: 4)

    init() { (stream, continuation) = AsyncStream.makeStream(of: SessionFrame.self) }

    /// For the request's body.
    var frames: some AsyncSequence<SessionFrame, Never> & Sendable {
        let room = room
        return stream.map { frame in
            if frame.kind == .input { room.signal() }
            return frame
        }
    }

    /// Sends a frame soon.
    func send(_ frame: SessionFrame) { continuation.yield(frame) }

    /// Sends input; blocks while earlier input waits.
    func sendInput(_ bytes: [UInt8]) {
        room.wait()
        send(SessionFrame(.input, bytes))
    }

    /// Nothing more is sent.
    func finish() { continuation.finish() }
}

/// Reads standard input on a thread of its own, which ends with the process: read(2) cannot be given up.
enum StandardInputReader {
    static func start(_ outgoing: OutgoingFrames, isTerminal: Bool) {
        DispatchQueue(label: "standard-input").async {
            var buffer = [UInt8](repeating: 0, count: 32 << 10)
            while true {
                let count = read(STDIN_FILENO, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { break }
                outgoing.sendInput(Array(buffer[..<count]))
            }
            // A terminal does not end; what is typed for that is Ctrl-D.
            if isTerminal { outgoing.sendInput([4]) } else { outgoing.send(SessionFrame(.inputEnd)) }
        }
    }
}

/// Signals that this program gets, passed on to the command.
final class SessionSignals: Sendable {
    private struct State: Sendable {
        var watch: SignalWatch?
        var received: Set<CInt> = []
        var last: CInt?
    }

    private let state = Mutex(State())

    init(_ outgoing: OutgoingFrames, isTerminal: Bool) {
        let watch = SignalWatch(of: [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH], evenIgnored: true) { [self] number in
            guard number != SIGWINCH else {
                guard isTerminal, let size = OutputStream.standard.size,
                    let json = try? JSONEncoder().encode(TerminalSize(columns: size.columns, rows: size.lines))
                else { return }
                return outgoing.send(SessionFrame(.resize, Array(json)))
            }
            let isFirst = state.withLock { state in
                state.last = number
                return state.received.insert(number).inserted
            }
            // In a terminal keys are not signals: this one is meant for paas itself. And who asks twice has waited enough.
            guard isFirst, !isTerminal else {
                TerminalRestoration.leave()
                exit(128 + number)
            }
            outgoing.send(SessionFrame(.signal, [UInt8(truncatingIfNeeded: number)]))
        }
        state.withLock { $0.watch = watch }
    }

    func cancel() { state.withLock { $0.watch?.cancel() } }

    /// The code for an end that a signal has brought about; nil without one.
    var failure: CommandFailure? { state.withLock { $0.last }.map { CommandFailure(code: 128 + $0) } }
}
