// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Glibc
internal import LinuxSystem
internal import PaaSModel

/// Files of the agent below `<home>/agent`:
///
/// - `instances/<instance>.json` — one ``InstanceRecord`` each
/// - `runs/<run>/` — FIFOs `stdout` and `stderr`, and `exit`, the record that `paas-init` writes
/// - `apps/<app>/data` — the app's `/data`; `apps/<app>/bundles/<sha256>/` — its `/app`s, unpacked
/// - `empty/` — `/app` of an app without a bundle
/// - `uids.json` — uid of each app; `outbox/` — reports that are not acknowledged; `logs/` — see AppLogs
///
/// Everything is 0700 and root's; only FIFOs, `data` and unpacked bundles belong to the app's uid.
struct StateDirectory: Sendable {
    let root: String

    /// Creates the directories that do not exist yet.
    ///
    /// - Throws: `SystemError`.
    init(root: String) throws(SystemError) {
        self.root = root
        for path in [root, instances, runs, apps, empty, outbox, logs] { try Self.makeDirectory(path) }
        guard chmod(empty, 0o755) == 0 else { throw SystemError(operation: "chmod", path: empty, errno: errno) }
    }

    var instances: String { root + "/instances" }
    var runs: String { root + "/runs" }
    var apps: String { root + "/apps" }
    var empty: String { root + "/empty" }
    var outbox: String { root + "/outbox" }
    var logs: String { root + "/logs" }
    var userIDs: String { root + "/uids.json" }

    func run(_ runID: String) -> String { runs + "/" + runID }
    func stdout(ofRun runID: String) -> String { run(runID) + "/stdout" }
    func stderr(ofRun runID: String) -> String { run(runID) + "/stderr" }
    func exitRecord(ofRun runID: String) -> String { run(runID) + "/exit" }
    func data(ofApp appID: String) -> String { apps + "/" + appID + "/data" }

    func bundles(ofApp appID: String) -> String { apps + "/" + appID + "/bundles" }
    func bundle(_ sha256: String, ofApp appID: String) -> String { bundles(ofApp: appID) + "/" + sha256 }

    // MARK: Records

    /// Every instance that is written down. A file that cannot be read is an error that names it: guessing could
    /// lose a running app.
    func loadInstances() throws -> [InstanceRecord] {
        try FileManager.default.contentsOfDirectory(atPath: instances).sorted().filter { $0.hasSuffix(".json") }
            .map { name in
                let path = instances + "/" + name
                do {
                    return try JSONDecoder().decode(
                        InstanceRecord.self, from: Data(contentsOf: URL(filePath: path)))
                } catch {
                    throw SupervisionError(
                        "the agent's record \(path) cannot be read (\(error)); move it away to go on without it",
                        isPermanent: true)
                }
            }
    }

    func save(_ record: InstanceRecord) throws {
        try save(record, to: instances + "/" + record.assignment.instanceID + ".json")
    }

    func removeInstance(_ instanceID: String) {
        unlink(instances + "/" + instanceID + ".json")
    }

    /// Replaces a file in one step: a reader, or a crash, sees the old or the new content.
    func save(_ value: some Encodable, to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let bytes = [UInt8](try encoder.encode(value))
        let temporary = path + ".new"
        let descriptor = try OwnedDescriptor.open(temporary, O_WRONLY | O_CREAT | O_TRUNC)
        try descriptor.writeAll(bytes)
        guard rename(temporary, path) == 0 else { throw SystemError(operation: "rename", path: path, errno: errno) }
    }

    // MARK: Directories

    /// Creates a directory with mode 0700, and its parents; an existing one stays as it is.
    static func makeDirectory(_ path: String) throws(SystemError) {
        if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
        if errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try makeDirectory(String(path[..<slash]))
            if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
        }
        throw SystemError(operation: "mkdir", path: path, errno: errno)
    }

    /// Creates the app's `/data` if it is not there, owned by the app's uid.
    func prepareData(ofApp appID: String, userID: UInt32) throws(SystemError) {
        let path = data(ofApp: appID)
        try Self.makeDirectory(path)
        guard lchown(path, userID, userID) == 0 else {
            throw SystemError(operation: "chown", path: path, errno: errno)
        }
    }

    /// Runs that have a directory.
    var runIDs: [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: runs)) ?? []
    }

    /// Removes a run's directory. What is missing is no error.
    func removeRun(_ runID: String) {
        try? FileManager.default.removeItem(atPath: run(runID))
    }

    func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    /// Removes the unpacked bundles of an app that are not wanted.
    func removeBundles(ofApp appID: String, where isUnwanted: (String) -> Bool) {
        let path = bundles(ofApp: appID)
        for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] where isUnwanted(name) {
            try? FileManager.default.removeItem(atPath: path + "/" + name)
        }
    }

    /// Removes an app's `/data` and bundles.
    func removeApp(_ appID: String) throws {
        let path = apps + "/" + appID
        if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
    }
}
