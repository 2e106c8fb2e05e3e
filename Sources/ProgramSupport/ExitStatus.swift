// SPDX-License-Identifier: Apache-2.0

public import ArgumentParser

/// Exit codes of the three programs; scripts rely on them.
public enum ExitStatus: Int32, Hashable, Sendable {
    /// It is done.
    case success = 0
    /// It failed: the deploy failed, the program could not start.
    case failure = 1
    /// `paas status APP`: the app does not run.
    case notRunning = 3
    /// There is no such app.
    case noSuchApp = 4
    /// Wrong usage (`EX_USAGE` of sysexits.h).
    case usage = 64
    /// The control plane cannot be reached (`EX_UNAVAILABLE`).
    case unreachable = 69
    /// Not allowed (`EX_NOPERM`).
    case notAllowed = 77

    /// The code in the form that `ParsableCommand.run()` throws.
    public var exitCode: ExitCode { ExitCode(rawValue) }
}
