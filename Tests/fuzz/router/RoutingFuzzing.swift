// SPDX-License-Identifier: Apache-2.0

import NIOCore
import PaaSModel

/// Targets and hosts: an app is found by its name however that is spelled, and gets nothing but what lies below it.
enum RoutingFuzzing {
    static func run(_ bytes: [UInt8], _ cuts: Cuts) {
        let parts = bytes.split(separator: 0x0A, maxSplits: 1, omittingEmptySubsequences: false)
        // Heads have been checked for these when they come here.
        let target = String(decoding: parts[0].filter(ByteClass.isTarget), as: UTF8.self)
        let host = parts.dropFirst().first.map {
            String(decoding: $0.filter(ByteClass.isFieldValue).trimmed, as: UTF8.self)
        }
        guard !target.isEmpty else { return }
        let method = target == "*" ? "OPTIONS" : "GET"
        guard let destination = try? RequestRouting.destination(method: method, target: target, host: host) else {
            return
        }
        switch destination {
        case .app(let request): judge(request, target, host, cuts)
        case .redirect(let location):
            require(
                location.hasPrefix("/apps/") && location.utf8.allSatisfy(ByteClass.isTarget), "redirects to \(location)"
            )
            // One step, and then it is an app's, by its canonical name. The host is that of the target where it names one.
            let next = try? RequestRouting.destination(method: "GET", target: location, host: "a")
            guard case .app(let request) = next else { fatalError("redirects to \(location), which is \(next as Any)") }
            require(
                request.prefix == "/apps/\(request.app)" && location.hasPrefix("/apps/\(request.app)/"),
                "redirects to \(location)")
        case .frontPage, .nowhere: break
        }
    }

    private static func judge(_ request: AppRequest, _ target: String, _ host: String?, _ cuts: Cuts) {
        require(AppName(rawValue: request.app) != nil, "an app named \(request.app)")
        require(
            request.text == "*"
                || request.text.hasPrefix("/") && request.text.utf8.allSatisfy(ByteClass.isTarget),
            "the target \(request.text)")
        require(
            target.hasSuffix(request.text)
                || request.text.dropFirst() == target.suffix(max(0, request.text.utf8.count - 1)),
            "\(request.text) of \(target)")
        require(
            !request.authority.utf8.contains { $0 <= 0x20 || $0 == 0x2F || $0 == 0x40 || $0 == 0x2C },
            "the authority \(request.authority)")
        let name = request.app.utf8.enumerated().map { place, byte in
            UInt8(truncatingIfNeeded: Int(cuts.seed) >> (place % 8)) & 1 == 1
                ? "%" + hex(byte) : String(UnicodeScalar(byte))
        }.joined()
        if let prefix = request.prefix {
            require(prefix == "/apps/\(request.app)", "the prefix \(prefix)")
            for spelling in [prefix + request.text, "/apps/\(name)\(request.text)"] {
                let same = try? RequestRouting.destination(method: "GET", target: spelling, host: request.authority)
                require(same == .app(request), "\(target) is \(request), \(spelling) is \(same as Any)")
            }
            return
        }
        for authority in ["\(request.app).localhost", "\(request.app.uppercased()).LocalHost.:80"] {
            let same = try? RequestRouting.destination(
                method: request.text == "*" ? "OPTIONS" : "GET", target: request.text, host: authority)
            var expected = request
            expected.authority = authority
            require(same == .app(expected), "\(host ?? "") is \(request), \(authority) is \(same as Any)")
        }
    }

    private static func hex(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16, uppercase: byte & 1 == 0)
        return digits.utf8.count == 1 ? "0" + digits : digits
    }
}
