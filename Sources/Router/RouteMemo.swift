// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Where the last request of a connection went, so that the next one to the same place need not be understood anew.
///
/// The same Host and the same beginning of the target mean the same, whatever follows; so only what has passed every check of
/// ``RequestRouting`` is found here, byte for byte.
struct RouteMemo {
    private var host: [UInt8]?
    /// `/apps/NAME/` with which the target began; a slash when Host alone names the app.
    private var beginning: [UInt8] = []
    private var request: AppRequest?
    /// How much of the target the app does not see.
    private var hidden = 0

    /// The lines that are the same for all requests to that app.
    private(set) var forwarded: ForwardedFields?

    /// The request for an app that this one is; nil when it has to be asked for.
    func find(_ head: RequestHead, host: Range<Int>?) -> AppRequest? {
        guard var found = request, head.kind != .connect, let known = self.host, let host else { return nil }
        let isKnown = head.bytes.withUnsafeReadableBytes { all in
            all.holds(known, at: host) && head.target.count >= beginning.count
                && all.holds(
                    beginning, at: head.target.lowerBound..<head.target.lowerBound + beginning.count)
        }
        guard isKnown else { return nil }
        found.target = .end(count: head.target.count - hidden)
        return found
    }

    /// Remembers where a request in origin form went.
    mutating func remember(_ request: AppRequest, _ head: RequestHead, host: Range<Int>?, client: Client) {
        self = RouteMemo()
        forwarded = ForwardedFields(client: client, request: request)
        guard let host, case .text(let target) = request.target else { return }
        let sent = head.bytes.array(head.target)
        // Neither the absolute form, whose host is in the target, nor the asterisk, nor an encoded name.
        let beginning = (request.prefix ?? "") + "/"
        guard sent.starts(with: beginning.utf8), target.utf8.first == 0x2F else { return }
        self.host = head.bytes.array(host)
        self.beginning = Array(beginning.utf8)
        self.request = request
        hidden = request.prefix?.utf8.count ?? 0
    }
}
