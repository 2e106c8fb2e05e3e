// SPDX-License-Identifier: Apache-2.0

internal import PaaSClient
internal import PaaSModel

/// What all instances of an app use together.
struct AppUsage: Hashable {
    /// 0 to 100 × cores, on average since the start of each instance; nil when not known.
    var cpuPercent: Double?
    /// Nil when the node does not count it.
    var memoryBytes: Int64?

    /// `12.3%`.
    var cpuText: String? { cpuPercent.map { TopTable.oneDecimal($0) + "%" } }
    /// `64.0M`.
    var memoryText: String? { memoryBytes.map { TopTable.size(Double($0)) } }

    /// By app id. A sum is only known when every part of it is.
    static func byApp(_ snapshots: [StatsSnapshot]) -> [String: AppUsage] {
        let instances = Dictionary(grouping: snapshots.flatMap(\.instances), by: \.appID)
        return instances.mapValues { instances in
            let cpu = instances.compactMap(\.cpuPercent)
            let memory = instances.compactMap(\.memoryBytes)
            return AppUsage(
                cpuPercent: cpu.count == instances.count ? cpu.reduce(0, +) : nil,
                memoryBytes: memory.count == instances.count ? memory.reduce(0, +) : nil)
        }
    }

    /// Time after which `status` does without.
    private static let patience = Duration.seconds(5)

    /// Asks for it. Whoever cannot tell leaves it unknown: `status` shows the rest without it.
    static func of(_ client: PaaSClient, app: String? = nil) async throws -> [String: AppUsage] {
        do {
            return byApp(try await client.stats(app: app, sinceStart: true, timeout: patience))
        } catch is ClientError {
            return [:]
        }
    }
}

/// An app as `paas status --json` shows it: the API's object, with what its instances use.
struct AppWithUsage: Encodable {
    let app: App
    let usage: AppUsage?

    private enum CodingKeys: CodingKey { case cpuPercent, memoryBytes }

    func encode(to encoder: any Encoder) throws {
        try app.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(usage?.cpuPercent, forKey: .cpuPercent)
        try container.encode(usage?.memoryBytes, forKey: .memoryBytes)
    }
}
