// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import FoundationEssentials
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import PaaSModel

/// `POST /apps/{…}/exec` and `/run`: a command beside an app. Both bodies are frames, and go on at the same time; what they
/// hold is passed through to the agent that has the app, but for the first frame, which says what is wanted.
struct SessionRoutes: Sendable {
    let service: ControlPlaneService
    let agents: AgentClient
    let limiter: StreamLimiter

    func add(to api: inout APIBuilder) {
        // Whoever may deploy an app can run everything in it already.
        api.on(.post, "/apps/:name/exec", access: .changeApp) { try await open(.instance, $0, $1) }
        api.on(.post, "/apps/:name/run", access: .changeApp) { try await open(.sandbox, $0, $1) }
    }

    private func open(
        _ place: SessionOrder.Place, _ request: Request, _ context: APIContext
    ) async throws -> Response {
        let type = request.headers[.contentType]?.split(separator: ";").first.map(String.init)
        guard type?.lowercased() == SessionRequest.mediaType else {
            throw Problem.unsupportedMediaType(SessionRequest.mediaType)
        }
        let snapshot = try await service.snapshot(context.parameter("name"))
        let incoming = IncomingBytes(request.body)
        let wanted = try await Self.firstFrame(incoming, context)
        let permit = try limiter.permit()
        let (node, order) = try Self.order(place, wanted.request, snapshot)
        let (frames, source) = RequestBody.makeStream()
        await source.yield(
            ByteBuffer(bytes: SessionFrame(.open, Array(try JSONEncoder().encode(order))).bytes))
        if !wanted.rest.isEmpty { await source.yield(ByteBuffer(bytes: wanted.rest)) }
        // Before anything happens: a command that is not on record must not have run.
        try await service.recordSession(order)
        let answer: HTTPClientResponse.Body
        do {
            answer = try await agents.session(node, frames)
        } catch {
            source.finish()
            throw error
        }
        let body = ResponseBody { bodyWriter in
            let writer = bodyWriter
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    // Its end, clean or not, is that of the client; the agent then ends the command.
                    while let buffer = try? await incoming.next() { await source.yield(buffer) }
                    source.finish()
                }
                do {
                    var writer = writer
                    for try await buffer in answer.untilShutdown() { try await writer.write(buffer) }
                    try await writer.finish(nil)
                } catch {
                    source.finish()
                    throw error
                }
                source.finish()
                group.cancelAll()
            }
            withExtendedLifetime(permit) {}
        }
        return Response(
            status: .ok,
            headers: [.contentType: SessionRequest.mediaType, .cacheControl: "no-store", .connection: "close"],
            body: body)
    }

    /// The first frame, and what has come behind it.
    ///
    /// - Throws: `Problem` 400, `ValidationError`.
    private static func firstFrame(
        _ body: IncomingBytes, _ context: APIContext
    ) async throws -> (request: SessionRequest, rest: [UInt8]) {
        var bytes: [UInt8] = []
        var decoder = SessionFrameDecoder()
        while true {
            if let frame = try decoder.next() {
                guard frame.kind == .open else {
                    throw Problem.malformed("the body does not begin with an 'open' frame")
                }
                _ = try JSONBody.object(
                    frame.payload, allowed: ["command", "instance", "terminal", "env"], of: "a session")
                let request = try JSONBody.decode(SessionRequest.self, frame.payload)
                try request.validate()
                return (request, Array(bytes.dropFirst(5 + frame.payload.count)))
            }
            guard let buffer = try await body.next() else {
                throw Problem.malformed("the body ends before its first frame does")
            }
            bytes += buffer.readableBytesView
            try context.bodyShare?.take(buffer.readableBytes)
            try decoder.append(buffer.readableBytesView)
        }
    }

    /// Whom to ask for what.
    private static func order(
        _ place: SessionOrder.Place, _ request: SessionRequest, _ snapshot: ControlPlaneService.Snapshot
    ) throws -> (Node, SessionOrder) {
        guard let app = snapshot.state.app, let release = snapshot.state.currentRelease else {
            throw Problem.internalError
        }
        guard let node = app.node.flatMap({ snapshot.nodes[$0] }) else { throw Problem.noNode(app.name) }
        if place == .instance {
            let runs = snapshot.state.instances.values.contains {
                [.running, .starting].contains($0.status.state)
                    && (request.instance == nil || $0.name == request.instance)
            }
            guard runs else { throw Problem.notRunning(app.name, instance: request.instance) }
        } else if request.instance != nil {
            throw ValidationError(
                field: "instance", message: "is for a command in a running instance, not for a new one")
        }
        let assignment = Assignment(
            instanceID: RandomID.instance(), appID: app.id, app: app.name, slot: "run", release: release.name,
            spec: release.spec, desired: .running)
        return (node, SessionOrder(place: place, request: request, assignment: assignment))
    }
}

/// What comes in a request's body: read up to its first frame by the handler, and after that by one task.
private final class IncomingBytes: Sendable {
    // Safe: never two tasks at once. A body can be iterated only once, so the iterator goes from one to the other.
    nonisolated(unsafe) private var iterator: RequestBody.AsyncIterator

    init(_ body: RequestBody) { iterator = body.makeAsyncIterator() }

    func next() async throws -> ByteBuffer? { try await iterator.next() }
}

extension ControlPlaneService {
    /// Writes down who runs which program where. Never its arguments or variables, which may hold secrets.
    func recordSession(_ order: SessionOrder) async throws {
        let id = order.assignment.appID
        let program = order.request.program.map { $0.isASCII && !$0.isNewline ? $0 : "?" }
        _ = try await change(load: { [id] }) { change in
            guard let state = change.states[id], state.app != nil else {
                throw Problem.appNotFound(order.assignment.app.rawValue)
            }
            let place =
                order.place == .instance ? order.request.instance ?? "a running instance" : "a sandbox of its own"
            change.add(
                state.event(
                    order.place == .instance ? .exec : .run, now: change.now, instance: order.request.instance,
                    "'\(String(program))' is run in \(place)"), appID: id)
        }
    }
}
