// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ControlPlane
import Glibc
import PaaSModel
import ProgramSupport

/// `paasd backup`.
struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copy the database to a file, also while paasd runs.",
        discussion: """
            The copy is as of one moment, examined, and complete when its file appears. It holds apps, releases with their \
            environment, events and digests of tokens: keep it as safe as the home. Bundles are files that never change, \
            paasd/bundles below the home; copy them before.

            EXAMPLES
              paasd backup /var/backups/paas-$(date +%F).db
            """)

    @Argument(help: ArgumentHelp("A file that does not exist yet.", valueName: "file"))
    var file: String

    @OptionGroup(title: "Common options") var common: CommonOptions

    @Option(help: ArgumentHelp("Where state is kept. Default: sqlite: (a file below the home).", valueName: "url"))
    var store: String?

    func run() async throws {
        try await reportingFailure {
            let settings = try PaasdSettings(common: common, store: store)
            umask(0o077)
            guard access(settings.database, F_OK) == 0 else {
                throw StartupError("there is no database \(settings.database); check --home and --store")
            }
            try SQLiteStore.backUp(settings.database, to: file)
            StandardError.write("paasd: \(settings.database) is backed up to \(file)")
        }
    }
}

/// `paasd restore`.
struct RestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Put a backup in the database's place; paasd must not run.",
        discussion: """
            The file is examined first. The replaced database stays beside the new one, as paas.db.before-restore. Agents \
            make what they run fit at the next start of paasd.

            EXAMPLES
              paasd restore /var/backups/paas-2026-01-02.db
            """)

    @Argument(help: ArgumentHelp("A file that 'paasd backup' has made.", valueName: "file"))
    var file: String

    @OptionGroup(title: "Common options") var common: CommonOptions

    @Option(help: ArgumentHelp("Where state is kept. Default: sqlite: (a file below the home).", valueName: "url"))
    var store: String?

    func run() async throws {
        try await reportingFailure {
            let settings = try PaasdSettings(common: common, store: store)
            umask(0o077)
            try HomeDirectories.prepare(settings.home)
            let lock = try HomeLock(path: settings.home.root + "/paasd/lock", home: settings.home.root)
            defer { withExtendedLifetime(lock) {} }
            guard access(file, R_OK) == 0 else {
                throw StartupError("cannot read \(file): \(String(cString: strerror(errno)))")
            }
            try SQLiteStore.restore(file, to: settings.database)
            StandardError.write("paasd: \(file) is restored to \(settings.database); start paasd again")
        }
    }
}
