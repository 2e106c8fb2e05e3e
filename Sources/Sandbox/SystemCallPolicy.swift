// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem
internal import PaaSModel

/// Which system calls apps may make: the file `SystemCalls/system-calls.txt`, read.
struct SystemCallPolicy: Hashable, Sendable {
    /// One way in which one call is allowed, or the error that answers it.
    struct Rule: Hashable, Sendable {
        var name: String
        /// All of these hold.
        var conditions: [SystemCallFilterBuilder.Condition] = []
        /// Errno that answers the call; 0 allows it.
        var answer: Int32 = 0
        var profiles: Set<SandboxProfile>
    }

    /// In the file's order.
    var rules: [Rule] = []
    /// The youngest call that the list has an opinion about.
    var newest = ""

    /// The policy that the agent was built with.
    ///
    /// - Throws: `SandboxError.invalidPlan`, for a file that was edited wrongly.
    static func embedded() throws -> SystemCallPolicy {
        try SystemCallPolicy(text: String(decoding: PackageResources.system_calls_txt, as: UTF8.self))
    }

    /// Reads the file's format, which its head describes.
    init(text: String) throws {
        var profiles: Set<SandboxProfile> = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            do {
                if line.isEmpty || line.hasPrefix("#") { continue }
                if line.hasPrefix("[") {
                    profiles = try Self.profiles(line)
                } else if line.hasPrefix("newest ") {
                    newest = String(line.dropFirst("newest ".count))
                } else {
                    guard !profiles.isEmpty else { throw FormatError("a call before the first [PROFILES]") }
                    rules += try Self.rules(line, profiles)
                }
            } catch let error as FormatError {
                throw SandboxError(.invalidPlan, "the list of system calls, line \(index + 1): \(error.what)")
            }
        }
        guard !newest.isEmpty else {
            throw SandboxError(.invalidPlan, "the list of system calls does not say which is the newest")
        }
    }

    /// Distinct names that a profile allows.
    func names(allowedIn profile: SandboxProfile) -> Set<String> {
        Set(rules.filter { $0.answer == 0 && $0.profiles.contains(profile) }.map(\.name))
    }

    private struct FormatError: Error {
        let what: String
        init(_ what: String) { self.what = what }
    }

    private static func profiles(_ line: Substring) throws -> Set<SandboxProfile> {
        guard let end = line.firstIndex(of: "]") else { throw FormatError("'[' without ']'") }
        let words = line[line.index(after: line.startIndex)..<end].split(separator: " ")
        let profiles = words.compactMap { SandboxProfile(rawValue: String($0)) }
        guard !words.isEmpty, profiles.count == words.count, !profiles.contains(.off) else {
            throw FormatError("the profiles are not 'standard' and 'strict'")
        }
        return Set(profiles)
    }

    /// `read write`, `clone(arg0&0xFF=0)` or `clone3 -> ENOSYS`.
    private static func rules(_ line: Substring, _ profiles: Set<SandboxProfile>) throws -> [Rule] {
        if let arrow = line.firstRange(of: " -> ") {
            guard line[arrow.upperBound...] == "ENOSYS" else { throw FormatError("the only answer known is ENOSYS") }
            return [Rule(name: try checked(line[..<arrow.lowerBound]), answer: ENOSYS, profiles: profiles)]
        }
        var rules: [Rule] = []
        var rest = line.drop { $0 == " " }
        while !rest.isEmpty {
            let name = rest.prefix { $0 != " " && $0 != "(" }
            rest = rest[name.endIndex...]
            var rule = Rule(name: try checked(name), profiles: profiles)
            if rest.first == "(" {
                guard let end = rest.firstIndex(of: ")") else { throw FormatError("'(' without ')'") }
                rule.conditions = try rest[rest.index(after: rest.startIndex)..<end].split(separator: ",")
                    .map { try condition($0.drop { $0 == " " }) }
                rest = rest[rest.index(after: end)...]
            }
            rules.append(rule)
            rest = rest.drop { $0 == " " }
        }
        return rules
    }

    /// `arg1=2` or `arg1&0xF=2`.
    private static func condition(_ text: Substring) throws -> SystemCallFilterBuilder.Condition {
        let sides = text.split(separator: "=", omittingEmptySubsequences: false)
        let left = sides.first?.split(separator: "&", omittingEmptySubsequences: false) ?? []
        guard sides.count == 2, (1...2).contains(left.count), left[0].hasPrefix("arg"),
            let argument = UInt32(left[0].dropFirst(3)), argument < 6, let value = number(sides[1])
        else { throw FormatError("'\(text)' is not a condition") }
        var mask = UInt64.max
        if left.count == 2 {
            guard let given = number(left[1]) else { throw FormatError("'\(left[1])' is not a mask") }
            mask = given
        }
        guard value & ~mask == 0 else { throw FormatError("'\(text)' never holds") }
        return SystemCallFilterBuilder.Condition(argument: argument, mask: mask, value: value)
    }

    /// Decimal, hexadecimal with 0x, or octal with 0, as in C.
    private static func number(_ text: Substring) -> UInt64? {
        if text.hasPrefix("0x") { return UInt64(text.dropFirst(2), radix: 16) }
        return UInt64(text, radix: text.hasPrefix("0") ? 8 : 10)
    }

    private static func checked(_ name: Substring) throws -> String {
        let isName = name.utf8.allSatisfy {
            (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "_")
        }
        guard !name.isEmpty, isName else { throw FormatError("'\(name)' is not the name of a system call") }
        return String(name)
    }
}
