// SPDX-License-Identifier: Apache-2.0

public import ArgumentParser

/// How log lines are written.
public enum LogFormat: String, CaseIterable, Hashable, Sendable, ExpressibleByArgument {
    /// One line for people: `time level label: message key=value`.
    case text
    /// One JSON object a line: `time`, `level`, `label`, `message`, `metadata`.
    case json
}
