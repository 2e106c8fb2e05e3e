// SPDX-License-Identifier: Apache-2.0

public import ArgumentParser
internal import FoundationEssentials
public import PaaSModel

/// Reads the values of options. What cannot be read is a usage error that says what to write.
enum OptionText {
    /// `256M`.
    static func bytes(_ text: String) throws -> Int64 {
        guard let count = ByteCount(text) else {
            throw ArgumentParser.ValidationError("write a size such as 256M or 1G (powers of 1024).")
        }
        return count.bytes
    }

    /// `90s`.
    static func duration(_ text: String) throws -> Duration {
        guard let duration = Duration(text: text) else {
            throw ArgumentParser.ValidationError("write a duration such as 30s, 5m or 1h30m.")
        }
        return duration
    }

    /// `10m` ago, or an RFC 3339 time.
    static func time(_ text: String) throws -> Timestamp {
        if let duration = Duration(text: text) { return Timestamp.now.advanced(bySeconds: -duration.inSeconds) }
        guard let time = Timestamp(text) else {
            throw ArgumentParser.ValidationError(
                "write how long ago, such as 10m, or a time such as 2026-01-02T03:04:05Z.")
        }
        return time
    }

    /// `v3`, also written `3`.
    static func release(_ text: String) throws -> String {
        let digits = text.hasPrefix("v") ? text.dropFirst() : text[...]
        guard let number = UInt32(digits), number > 0 else {
            throw ArgumentParser.ValidationError("write a release such as v3; 'paas releases APP' lists them.")
        }
        return "v\(number)"
    }
}

extension RestartPolicy: ExpressibleByArgument {}
extension NetworkMode: ExpressibleByArgument {}
extension SandboxProfile: ExpressibleByArgument {}
extension StopSignal: ExpressibleByArgument {}
