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

    /// The first items of a list, and the headers with the link to the next page when there are more.
    ///
    /// - Parameters:
    ///   - limit: nil for all of them.
    ///   - cursor: what `after` of the next page is, given the last item of this one.
    func page<Item>(
        of items: [Item], limit: Int?, headers: HTTPFields = [:], cursor: (Item) -> String
    ) -> (shown: ArraySlice<Item>, headers: HTTPFields) {
        let shown = items.prefix(limit ?? items.count)
        var headers = headers
        if let limit, shown.count < items.count, let last = shown.last {
            headers.addLink(to: uri.path, ["limit": "\(limit)", "after": cursor(last)], "next")
        }
        return (shown, headers)
    }
}

extension Response {
    /// The page of a list, as JSON.
    static func page<Item: Encodable>(
        _ items: [Item], limit: Int?, _ request: Request, headers: HTTPFields = [:], cursor: (Item) -> String
    ) throws -> Response {
        let page = request.page(of: items, limit: limit, headers: headers, cursor: cursor)
        return try .json(Array(page.shown), headers: page.headers)
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
