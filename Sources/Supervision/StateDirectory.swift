// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Glibc
internal import LinuxSystem
internal import PaaSModel

/// Files of the agent below `<home>/agent`:
///
/// - `instances/<instance>.record` — one ``InstanceRecord`` each, as JSON in a `RecordFile`
/// - `runs/<run>/` — FIFOs `stdout` and `stderr`; `exit`, the record that `paas-init` writes; FIFO `ended`, by which it
///   tells that the app has ended; FIFO `denials`, see `DenialRecord`; FIFO `go`, see ``Standby``; `capture`, see `RunCapture`; and
///   the socket `connector`, on which it hands out connections to an app in a network of its own. `runs/prepared-<n>/` has most
///   of it and waits for the next run
/// - `apps/<app>/data` — the app's `/data`, or `apps/<app>/disk`, an image with it, where its size is limited;
///   `apps/<app>/bundles/<sha256>/` — its `/app`s, unpacked
/// - `empty/` — `/app` of an app without a bundle
/// - `uids.json` — uid of each app; `outbox/` — reports that are not acknowledged; `logs/` — see AppLogs
///
/// Everything is 0700 and root's, but: FIFOs, `data` and unpacked bundles belong to the app's uid, and through `apps/<app>` and
/// its `bundles` the app's group may pass. Where apps may run without a view of their own (`--sandbox off`), anybody may pass
/// through the root and `apps`, too: such an app finds its own directories by the host's paths.
struct StateDirectory: Sendable {
    let root: String

    /// Creates the directories that do not exist yet.
    ///
    /// - Parameter isOpenToApps: apps may run without a view of their own.
    /// - Throws: `SystemError`.
    init(root: String, isOpenToApps: Bool = false) throws(SystemError) {
        self.root = root
        for path in [root, instances, runs, apps, empty, outbox, logs] { try Self.makeDirectory(path) }
        let passage: mode_t = isOpenToApps ? 0o711 : 0o700
        for (path, mode) in [(root, passage), (apps, passage), (empty, 0o755)] {
            guard chmod(path, mode) == 0 else { throw SystemError(operation: "chmod", path: path, errno: errno) }
        }
    }

    var instances: String { root + "/instances" }
    var runs: String { root + "/runs" }
    var apps: String { root + "/apps" }
    var empty: String { root + "/empty" }
    var outbox: String { root + "/outbox" }
    var logs: String { root + "/logs" }
    var userIDs: String { root + "/uids.json" }

    func run(_ runID: String) -> String { runs + "/" + runID }
    /// Of a run that has not begun; no run has such an id.
    func preparedRun(_ number: Int) -> String { runs + "/prepared-\(number)" }

    static let stdoutName = "stdout"
    static let stderrName = "stderr"
    static let endedName = "ended"
    static let denialsName = "denials"
    static let exitRecordName = "exit"
    static let connectorName = "connector"

    func stdout(ofRun runID: String) -> String { "\(run(runID))/\(Self.stdoutName)" }
    func stderr(ofRun runID: String) -> String { "\(run(runID))/\(Self.stderrName)" }
    func ended(ofRun runID: String) -> String { "\(run(runID))/\(Self.endedName)" }
    /// FIFO by which `paas-init` tells what the sandbox denies.
    func denials(ofRun runID: String) -> String { "\(run(runID))/\(Self.denialsName)" }
    /// FIFO of a run that waits until it is to begin.
    func go(ofRun runID: String) -> String { "\(run(runID))/go" }
    func captureJournal(ofRun runID: String) -> String { run(runID) + "/capture" }
    func exitRecord(ofRun runID: String) -> String { "\(run(runID))/\(Self.exitRecordName)" }
    /// What the tool of the network mode `egress` has said.
    func egressMessages(ofRun runID: String) -> String { run(runID) + "/egress" }
    /// See paas_init_protocol.h; whoever connects is given the run's directory.
    func connector(ofRun runID: String) -> String { "\(run(runID))/\(Self.connectorName)" }
    func app(_ appID: String) -> String { apps + "/" + appID }
    func data(ofApp appID: String) -> String { app(appID) + "/data" }

    func bundles(ofApp appID: String) -> String { app(appID) + "/bundles" }
    func bundle(_ sha256: String, ofApp appID: String) -> String { bundles(ofApp: appID) + "/" + sha256 }

    // MARK: Records

    /// Every instance that is written down, and what is damaged. What an agent had half written when it died goes.
    ///
    /// A damaged record must not keep all the others from their supervisor, so it is moved out of the way, to
    /// `<name>.damaged`. A power failure can leave one, and then nothing of its run lives; otherwise the run counts as a
    /// leftover and ends. In both cases the control plane soon asks for the instance again.
    ///
    /// - Throws: an error of the file system, when a record is there and cannot be read now.
    func loadInstances() throws -> (records: [InstanceRecord], damaged: [String]) {
        var records: [InstanceRecord] = []
        var damaged: [String] = []
        try convertOlderRecords()
        for name in try FileManager.default.contentsOfDirectory(atPath: instances).sorted() {
            let path = instances + "/" + name
            // The record may be one that is never written again.
            if name.hasSuffix(".new") { unlink(path) }
            guard name.hasSuffix(Self.recordSuffix) else { continue }
            let file = [UInt8](try Data(contentsOf: URL(filePath: path)))
            if let bytes = RecordFile.record(in: file),
                let record = try? JSONDecoder().decode(InstanceRecord.self, from: Data(bytes)),
                name == record.assignment.instanceID + Self.recordSuffix
            {
                records.append(record)
            } else {
                guard rename(path, path + ".damaged") == 0 else {
                    throw SystemError(operation: "rename", path: path, errno: errno)
                }
                damaged.append(path + ".damaged")
            }
        }
        return (records, damaged)
    }

    /// An earlier agent wrote each record as a JSON file of its own. One that is not JSON becomes a damaged record.
    private func convertOlderRecords() throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: instances) where name.hasSuffix(".json") {
            let path = instances + "/" + name
            var file = RecordFile(path: instances + "/" + name.dropLast(5) + Self.recordSuffix)
            // A conversion that was cut short has left the old file, and nobody has written the new one since.
            try file.write([UInt8](try Data(contentsOf: URL(filePath: path))))
            unlink(path)
        }
    }

    private static let recordSuffix = ".record"

    /// The file of an instance's record, for its one writer.
    func recordFile(of instanceID: String) -> RecordFile {
        RecordFile(path: instances + "/" + instanceID + Self.recordSuffix)
    }

    func save(_ record: InstanceRecord, to file: inout RecordFile) throws { try file.write(Self.encoded(record)) }

    func removeInstance(_ instanceID: String) { unlink(recordFile(of: instanceID).path) }

    /// A value as the files of this directory hold it.
    static func encoded(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return [UInt8](try encoder.encode(value))
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

    /// Creates the app's directory and that of its bundles if they are not there; the app's group may pass through.
    func prepareBundles(ofApp appID: String, userID: UInt32) throws(SystemError) {
        for path in [app(appID), bundles(ofApp: appID)] {
            try Self.makeDirectory(path)
            var status = stat()
            guard lstat(path, &status) == 0 else { throw SystemError(operation: "stat", path: path, errno: errno) }
            if status.st_gid == userID, status.st_mode & 0o777 == 0o710 { continue }
            guard lchown(path, geteuid(), userID) == 0, chmod(path, 0o710) == 0 else {
                throw SystemError(operation: "chown", path: path, errno: errno)
            }
        }
    }

    /// Creates the app's `/data` if it is not there, owned by the app's uid; of an app with an image, only what is around it.
    func prepareData(ofApp appID: String, userID: UInt32) throws(SystemError) {
        try prepareBundles(ofApp: appID, userID: userID)
        if try diskSize(ofApp: appID) != nil { return }
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

    /// Removes a run's directory; what is missing is no error.
    ///
    /// - Returns: false when something is left of it.
    func removeRun(_ runID: String) -> Bool {
        try? FileManager.default.removeItem(atPath: run(runID))
        return access(run(runID), F_OK) != 0 && errno == ENOENT
    }

    func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    /// Removes the unpacked bundles of an app that are not wanted, each under another name: of an agent that is killed
    /// meanwhile, half a bundle stays, which the next one must not take for a whole one.
    func removeBundles(
        ofApp appID: String, where isUnwanted: (String) -> Bool,
        removing remove: (String) -> Void = DirectoryTree.remove
    ) {
        let path = bundles(ofApp: appID)
        for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] where isUnwanted(name) {
            let away = "\(path)/\(name.prefix(64)).\(UInt32.random(in: .min ... .max))"
            if rename(path + "/" + name, away) == 0 { remove(away) }
        }
    }

    /// Removes an app's `/data` and bundles.
    func removeApp(_ appID: String) throws {
        let path = app(appID)
        if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
    }
}
