// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import PaaSModel

/// Pages of lists. A page begins behind its cursor, the key of the last item before it, so that items which come and
/// go meanwhile neither repeat nor hide others.
extension Request {
    /// Most items that a page may have.
    static let maxPage: Int64 = 1_000

    /// `limit`; nil for the whole list.
    ///
    /// - Throws: `ValidationError`.
    func pageLimit() throws -> Int? { try integer("limit", in: 1...Self.maxPage).map(Int.init) }
}

extension Response {
    /// The first items of a list, with the link to the next page when there are more.
    ///
    /// - Parameters:
    ///   - limit: nil for all of them.
    ///   - cursor: what `after` of the next page is, given the last item of this one.
    static func page<Item: Encodable>(
        _ items: [Item], limit: Int?, _ request: Request, headers: HTTPFields = [:], cursor: (Item) -> String
    ) throws -> Response {
        let shown = Array(items.prefix(limit ?? items.count))
        var headers = headers
        if let limit, shown.count < items.count, let last = shown.last {
            headers.addLink(to: request.uri.path, ["limit": "\(limit)", "after": cursor(last)], "next")
        }
        return try .json(shown, headers: headers)
    }
}

extension HTTPFields {
    /// A `Link` header (RFC 8288).
    mutating func addLink(to path: String, _ parameters: [String: String], _ relation: String) {
        guard let name = HTTPField.Name("Link") else { return }
        let query = parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\(PercentEncoding.encode($0.value))" }
        self[name] = "<\(path)?\(query.joined(separator: "&"))>; rel=\"\(relation)\""
    }
}
