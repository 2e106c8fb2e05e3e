// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import PaaSModel

@testable import AppLogs

/// A directory that goes away with the test.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/app-logs-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func bytes(of name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(filePath: path + "/" + name)))
    }

    func text(of name: String) throws -> String { String(decoding: try bytes(of: name), as: UTF8.self) }

    func write(_ bytes: [UInt8], to name: String) throws {
        try Data(bytes).write(to: URL(filePath: path + "/" + name))
    }

    func segments() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasSuffix(".log") }.sorted()
    }
}

/// A small generator with a seed, so that a random test fails the same way twice (xorshift64*).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed | 1 }

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }
}

extension LogSource {
    static let web1 = LogSource(instanceID: "i-1", instance: "web.1", release: "v1")
}

extension Timestamp {
    /// 2026-01-02T03:04:05.678901Z.
    static let base = Timestamp(microseconds: 1_767_323_045_678_901)
}

extension AppLogWriter {
    convenience init(directory: String, segmentBytes: Int, segments: Int, notifier: LogNotifier = LogNotifier()) throws
    {
        try self.init(
            directory: directory, retention: LogRetention(segmentBytes: segmentBytes, segments: segments),
            notifier: notifier)
    }

    func append(
        _ text: String, stream: LogLine.Stream = .stdout, from source: LogSource = .web1, at time: Timestamp = .base
    ) {
        append(Array(text.utf8), stream: stream, from: source, at: time)
    }

    func append(
        _ bytes: [UInt8], stream: LogLine.Stream = .stdout, from source: LogSource = .web1, at time: Timestamp = .base
    ) {
        bytes.withUnsafeBytes { append($0, stream: stream, from: source, at: time) }
    }
}

extension AppLogReader {
    func texts(_ query: LogQuery = LogQuery(limit: LogQuery.maxLimit)) throws -> [String] {
        try self.query(query).map(\.text)
    }
}
