// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import PaaSModel

/// `/apps/{…}/releases` and `/apps/{…}/instances`: lists, and streams of what changes in them.
struct ReleaseRoutes: Sendable {
    /// Tells a list's revision, which a stream can go on from.
    static let revisionHeader = "Mini-Paas-Revision"

    let service: ControlPlaneService
    let limiter: StreamLimiter

    func add(to api: inout APIBuilder) {
        api.on(.get, "/apps/:name/releases", access: .readApp) { request, context in
            try await answer(request, context, StoreKey.releases) { key, value in
                guard let value else { return try APIEncoding.encode(Gone(name: Self.releaseName(key))) }
                return try APIEncoding.encode(try RecordCoding.decode(ReleaseRecord.self, key: key, value).view)
            } list: {
                let found = try await service.releases(context.parameter("name"))
                let after = try request.query("after").map(Self.number) ?? .max
                let behind = found.releases.filter { ReleaseRecord.number($0.name) ?? 0 < after }
                return try .page(
                    behind, limit: try request.pageLimit(), request, headers: Self.headers(found.revision)
                ) { $0.name }
            }
        }
        api.on(.get, "/apps/:name/instances", access: .readApp) { request, context in
            try await answer(request, context, StoreKey.instances) { key, value in
                guard let value else {
                    return try APIEncoding.encode(Gone(id: key.split(separator: "/").last.map(String.init)))
                }
                return try APIEncoding.encode(try RecordCoding.decode(InstanceRecord.self, key: key, value).view)
            } list: {
                // First: a wrong limit is wrong (422) whether what 'after' names is there (410) or not.
                let limit = try request.pageLimit()
                let found = try await service.instances(context.parameter("name"))
                var behind = found.instances[...]
                if let after = request.query("after") {
                    guard (1...64).contains(after.utf8.count), after.utf8.allSatisfy(Self.isOfID) else {
                        throw ValidationError(field: "after", message: "is no instance's id")
                    }
                    guard let place = behind.firstIndex(where: { $0.id == after }) else { throw Problem.cursorGone }
                    behind = behind[(place + 1)...]
                }
                return try .page(
                    Array(behind), limit: limit, request, headers: Self.headers(found.revision)
                ) { $0.id }
            }
        }
    }

    /// What is no longer there.
    private struct Gone: Encodable {
        var id: String?
        var name: String?
        let removed = true
    }

    private static func isOfID(_ byte: UInt8) -> Bool {
        (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2D
    }

    private static func releaseName(_ key: String) -> String {
        ReleaseRecord.name(key.split(separator: "/").last.flatMap { Int($0) } ?? 0)
    }

    private static func number(_ text: String) throws -> Int {
        guard let number = ReleaseRecord.number(text) else {
            throw ValidationError(field: "after", message: "'\(text.prefix(40))' is not a release such as v3")
        }
        return number
    }

    private static func headers(_ revision: Int64) -> HTTPFields {
        guard let name = HTTPField.Name(revisionHeader) else { return [:] }
        return [name: "\(revision)"]
    }

    private func answer(
        _ request: Request, _ context: APIContext, _ prefix: (String) -> String,
        _ encode: @escaping @Sendable (String, [UInt8]?) throws -> ByteBuffer, list: () async throws -> Response
    ) async throws -> Response {
        let asked = try request.flag("follow")
        let format = StreamFormat.requested(by: request, follow: asked)
        let resumed = HTTPField.Name("Last-Event-ID").flatMap { request.headers[$0] }.flatMap(Int64.init)
        let revision = try request.integer("revision", in: 0...1 << 50) ?? resumed
        guard asked || format == .events else { return try await list() }
        let keys = prefix(try await service.resolve(context.parameter("name")))
        let frame = format == .array ? StreamFormat.lines : format
        let beginning = try await service.beginFollowing(keys, after: revision)
        let permit = try limiter.permit()
        var response = Response.stream(request, contentType: frame.contentType, follow: true, permit: permit) {
            writer in
            try await service.follow(keys, from: beginning) { changes in
                for change in changes {
                    let json = try encode(change.key, change.value)
                    try await writer.write(
                        frame.frame(json.readableBytesView, id: String(change.revision), isFirst: false))
                }
            }
        }
        for field in Self.headers(beginning.revision) { response.headers[field.name] = field.value }
        return response
    }
}
