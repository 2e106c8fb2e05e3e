// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import PaaSModel
import Supervision

/// Asks an app's health path with one HTTP request. Redirects are not followed: they count as healthy.
struct HTTPHealthProber: HealthProber {
    let client: HTTPClient

    func failure(port: UInt16, path: String, timeout: Duration) async -> String? {
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)\(path)")
        request.headers.add(name: "User-Agent", value: "mini-paas-health/\(ProductVersion.current)")
        request.headers.add(name: "Connection", value: "close")
        do {
            let response = try await client.execute(request, timeout: .nanoseconds(Int64(timeout.inSeconds * 1e9)))
            let code = response.status.code
            return (200..<400).contains(code) ? nil : "answered \(code)"
        } catch let error as HTTPClientError where error == .deadlineExceeded || error == .connectTimeout {
            return "did not answer within \(timeout.shortText)"
        } catch {
            return "did not answer: \(error)"
        }
    }
}
