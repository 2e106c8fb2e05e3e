// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem
internal import Logging

/// Directories of runs, with their files, that are made before they are needed: a disk's file system takes milliseconds to make
/// nine files, and an app that has ended waits for them.
///
/// Nothing in them was ever in anybody's hands: a FIFO of an earlier run might still be open somewhere.
struct PreparedRun {
    /// Where it waits.
    let path: String
    /// Listens in it.
    let connector: Shared<MessageSocket>
}

extension Supervisor {
    /// As many as are started at once.
    private static var preparedRunCount: Int { launchesAtOnce }

    /// Makes the directory of a run, or takes one that is prepared.
    ///
    /// - Returns: the socket that `paas-init` gives out connections on.
    /// - Throws: `SystemError`; a part of the directory may be there.
    func makeRunDirectory(_ runID: String, userID: UInt32) throws(SystemError) -> Shared<MessageSocket> {
        let path = directory.run(runID)
        let connector: Shared<MessageSocket>
        if let prepared = preparedRuns.last, rename(prepared.path, path) == 0 {
            preparedRuns.removeLast()
            connector = prepared.connector
        } else {
            connector = try makeRunFiles(in: path)
        }
        for fifo in [directory.stdout(ofRun: runID), directory.stderr(ofRun: runID)] {
            // An app may open /dev/stdout again; the FIFO's owner must then be the app's uid.
            guard chown(fifo, userID, userID) == 0 else {
                throw SystemError(operation: "chown", path: fifo, errno: errno)
            }
        }
        return connector
    }

    /// Makes those that are missing, one in a turn. What fails is not tried again before the next start.
    func prepareRuns() {
        guard preparedRuns.count < Self.preparedRunCount, !hasLeft else { return }
        preparedRunNumber += 1
        let path = directory.preparedRun(preparedRunNumber)
        do {
            preparedRuns.append(PreparedRun(path: path, connector: try makeRunFiles(in: path)))
            _ = schedule(after: .zero) { $0.prepareRuns() }
        } catch {
            DirectoryTree.remove(path)
            dependencies.logger.debug("cannot prepare for the next start", metadata: ["error": "\(error)"])
        }
    }

    private func makeRunFiles(in path: String) throws(SystemError) -> Shared<MessageSocket> {
        try StateDirectory.makeDirectory(path)
        for name in [
            StateDirectory.endedName, StateDirectory.stdoutName, StateDirectory.stderrName, StateDirectory.denialsName,
        ] {
            let fifo = "\(path)/\(name)"
            guard mkfifo(fifo, 0o600) == 0 else { throw SystemError(operation: "mkfifo", path: fifo, errno: errno) }
        }
        _ = try OwnedDescriptor.open("\(path)/\(StateDirectory.exitRecordName)", O_WRONLY | O_CREAT)
        return Shared(try MessageSocket.listen(at: "\(path)/\(StateDirectory.connectorName)"))
    }
}
