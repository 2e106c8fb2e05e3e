// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Standard error of a program, for the one sentence that it says to a person.
public enum StandardError {
    /// Writes a line. What cannot be written is lost: there is nobody left to tell.
    public static func write(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
