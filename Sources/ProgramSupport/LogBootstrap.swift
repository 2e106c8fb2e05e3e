// SPDX-License-Identifier: Apache-2.0

public import Logging
internal import Synchronization

/// Sets swift-log up for a program: everything goes to standard error, at one level for the whole process.
public enum LogBootstrap {
    private static let currentLevel = Atomic<Int>(levels.firstIndex(of: .info) ?? 0)
    private static let levels = Logger.Level.allCases

    /// The level below which nothing is written; may change at any time, for SIGHUP.
    public static var level: Logger.Level {
        get { levels[currentLevel.load(ordering: .relaxed)] }
        set { currentLevel.store(levels.firstIndex(of: newValue) ?? 0, ordering: .relaxed) }
    }

    /// Makes every `Logger` of the process write to standard error. Once per process, before the first `Logger`.
    public static func bootstrap(level: Logger.Level, format: LogFormat) {
        self.level = level
        LoggingSystem.bootstrap { label in StandardErrorLogHandler(label: label, format: format) }
    }
}
