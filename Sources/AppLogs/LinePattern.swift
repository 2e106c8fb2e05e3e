// SPDX-License-Identifier: Apache-2.0

internal import CPCRE2

/// A regular expression that lines are searched for, in the syntax of Perl (pcre2pattern(3)).
///
/// Whoever gives one may be hostile: its length, what it compiles to, and the steps and the memory that it may take for one
/// line are bounded. `@unchecked Sendable`: what is compiled never changes, and PCRE2 allows any number of threads to
/// match with it (pcre2api(3), MULTITHREADING).
public final class LinePattern: Hashable, @unchecked Sendable {
    /// Longest pattern in bytes.
    public static let maxBytes = 1_000
    /// Steps of the matching engine for one line; an honest pattern takes a few hundred.
    private static let maxSteps: UInt32 = 100_000
    private static let maxHeapKiB: UInt32 = 1_024

    /// What was given.
    public let text: String
    fileprivate let code: OpaquePointer

    /// Compiles a pattern. `(?i)` in front of it ignores case.
    ///
    /// - Throws: `AppLogError.invalidPattern` that says what is wrong and where.
    public init(_ text: String) throws(AppLogError) {
        guard text.utf8.count <= Self.maxBytes else {
            throw .invalidPattern("is longer than \(Self.maxBytes) bytes")
        }
        var failure: Int32 = 0
        var place = 0
        let options = UInt32(PCRE2_UTF) | UInt32(PCRE2_MATCH_INVALID_UTF) | UInt32(PCRE2_NEVER_BACKSLASH_C)
        let code = Array(text.utf8).withUnsafeBufferPointer {
            pcre2_compile_8($0.baseAddress, $0.count, options, &failure, &place, nil)
        }
        guard let code else { throw .invalidPattern("\(Self.message(failure)), at byte \(place + 1)") }
        self.text = text
        self.code = code
    }

    deinit { pcre2_code_free_8(code) }

    private static func message(_ code: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 256)
        guard pcre2_get_error_message_8(code, &bytes, bytes.count) >= 0 else { return "error \(code)" }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }

    public static func == (lhs: LinePattern, rhs: LinePattern) -> Bool { lhs.text == rhs.text }

    public func hash(into hasher: inout Hasher) { hasher.combine(text) }

    /// Matches with a pattern on one thread.
    final class Matcher {
        private let pattern: LinePattern
        private let data: OpaquePointer?
        private let limits: OpaquePointer?

        init(_ pattern: LinePattern) {
            self.pattern = pattern
            data = pcre2_match_data_create_8(1, nil)
            limits = pcre2_match_context_create_8(nil)
            pcre2_set_match_limit_8(limits, LinePattern.maxSteps)
            pcre2_set_heap_limit_8(limits, LinePattern.maxHeapKiB)
        }

        deinit {
            pcre2_match_data_free_8(data)
            pcre2_match_context_free_8(limits)
        }

        /// The pattern is found somewhere in a text.
        ///
        /// - Throws: `AppLogError.patternTooCostly`.
        func matches(_ text: UnsafeRawBufferPointer) throws(AppLogError) -> Bool {
            let result = pcre2_match_8(
                pattern.code, text.baseAddress?.assumingMemoryBound(to: UInt8.self), text.count, 0, 0, data, limits)
            if result >= 0 { return true }
            if result == PCRE2_ERROR_NOMATCH { return false }
            throw .patternTooCostly(pattern.text)
        }
    }
}
