// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Addresses and cookies of apps: they stay one line, stay with the app, and to rewrite them twice changes nothing more.
enum RewritingFuzzing {
    private static let prefix = "/apps/web"

    static func run(_ bytes: [UInt8], _ cuts: Cuts) {
        // Heads have been checked for these when they come here.
        let value = Array(bytes.filter(ByteClass.isFieldValue).trimmed)
        for (path, authority) in [
            (prefix, "Pub:8080"), (prefix, ""), (prefix, "[::1]:80"), (nil, "web.localhost:8080"),
        ] {
            let address = PublicAddress(
                prefix: path, authority: authority, scheme: "https",
                upstream: Upstream(id: "i", host: "10.0.0.1", port: 20_001))
            judge(location: value, address)
            judge(cookie: value, address)
        }
    }

    private static func judge(location value: [UInt8], _ address: PublicAddress) {
        let once = address.location(value)
        require(once.allSatisfy(ByteClass.isFieldValue), "\(text(value)) became \(text(once))")
        require(
            address.location(once) == once,
            "\(text(value)) became \(text(once)), and then \(text(address.location(once)))")
        guard address.prefix != nil else { return }
        if value.first == 0x2F, value.dropFirst().first != 0x2F {
            require(isBelow(once[...]), "\(text(value)) became \(text(once))")
        }
    }

    private static func judge(cookie value: [UInt8], _ address: PublicAddress) {
        let once = address.cookie(value)
        require(once.allSatisfy(ByteClass.isFieldValue), "\(text(value)) became \(text(once))")
        require(
            address.cookie(once) == once, "\(text(value)) became \(text(once)), and then \(text(address.cookie(once)))")
        let (before, after) = (attributes(value), attributes(once))
        require(before.count == after.count && before[0] == after[0], "\(text(value)) became \(text(once))")
        guard address.prefix != nil else { return require(once == value, "\(text(value)) became \(text(once))") }
        for attribute in after.dropFirst() {
            let parts = attribute.split(separator: 0x3D, maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, parts[0].trimmed.isCaseInsensitive("path"), parts[1].trimmed.first == 0x2F
            else { continue }
            require(isBelow(parts[1].trimmed), "\(text(value)) became \(text(once))")
        }
    }

    private static func isBelow(_ path: ArraySlice<UInt8>) -> Bool {
        let rest = path.dropFirst(prefix.utf8.count)
        return path.starts(with: prefix.utf8) && (rest.isEmpty || [0x2F, 0x3F, 0x23].contains(rest[rest.startIndex]))
    }

    private static func attributes(_ value: [UInt8]) -> [ArraySlice<UInt8>] {
        value.split(separator: 0x3B, omittingEmptySubsequences: false)
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self).debugDescription }
}
