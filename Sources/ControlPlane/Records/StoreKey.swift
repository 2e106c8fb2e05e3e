// SPDX-License-Identifier: Apache-2.0

/// The keys of the store, in one place.
enum StoreKey {
    static let apps = "/apps/"
    static let events = "/events/"
    static let idempotency = "/idempotency/"
    static let names = "/names/"
    static let nodes = "/nodes/"
    static let tokens = "/tokens/"

    /// An `AppRecord`.
    static func app(_ id: String) -> String { apps + id }
    /// The id of the app that has the name now.
    static func name(_ name: String) -> String { names + name }
    /// All releases of all apps.
    static let allReleases = "/releases/"
    /// All releases of an app.
    static func releases(_ appID: String) -> String { "\(allReleases)\(appID)/" }
    /// A `ReleaseRecord`; padded, so that keys sort as numbers do.
    static func release(_ appID: String, _ number: Int) -> String { releases(appID) + padded(Int64(number), to: 10) }
    /// All instances of all apps.
    static let instances = "/instances/"
    /// All instances of an app.
    static func instances(_ appID: String) -> String { "\(instances)\(appID)/" }
    /// An `InstanceRecord`.
    static func instance(_ appID: String, _ id: String) -> String { instances(appID) + id }
    /// The app's id of an instance, for reports, which name only the instance.
    static func owner(_ instanceID: String) -> String { "/owners/\(instanceID)" }
    /// All assignments of a node: what its agent watches.
    static func assignments(_ node: String) -> String { "/assignments/\(node)/" }
    /// An `Assignment`.
    static func assignment(_ node: String, _ id: String) -> String { assignments(node) + id }
    /// A `NodeRecord`.
    static func node(_ name: String) -> String { nodes + name }
    /// A `TokenRecord`.
    static func token(_ id: String) -> String { tokens + id }
    /// An `EventRecord`.
    static func event(_ id: Int64) -> String { events + padded(id, to: 19) }
    /// An `IdempotencyRecord`.
    static func idempotency(_ digest: String) -> String { idempotency + digest }

    private static func padded(_ number: Int64, to width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
