// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem

/// How far the capture of one run has come, in a mapped file that outlives this process.
///
/// Bytes go from a FIFO into the log in three steps, each of which may be the last thing that this process does:
///
/// 1. *logging*: what is in the FIFO was copied, and its lines are being written. Interrupted here, the log is cut back to
///    where it was, and the FIFO still has everything.
/// 2. *discarding*: the lines are in the log, and the bytes are being taken out of the FIFO. Interrupted here, they are taken
///    out now, if they are still at its head.
/// 3. *settled*: nothing is under way. The beginning of a line that waits for its end stands in the journal.
///
/// One 64-bit store leads from each step to the next. What a process that dies while it discards has taken out is not
/// written down anywhere, so the next one looks for the chunk at the head of the FIFO, by its length and a hash of its first
/// 4 KiB. Two cases deceive it. If the chunk was taken out in part, which splice(2) does when it is interrupted between two
/// pages, the rest is there, is not the chunk, and is written a second time. If the chunk was taken out whole and the app
/// has printed the same again since, that is taken for it and lost.
final class CaptureJournal {
    /// What an interrupted capture has to do first.
    enum Interruption: Hashable {
        /// Cut the log.
        case logging(since: LogPosition)
        /// Take so many bytes out of the FIFO, if they are there.
        case discarding(count: Int, hash: UInt64)
    }

    /// Bytes of the file.
    static let byteCount = 4_096 + 4 * LogRecord.maxTextBytes
    /// Bytes at the head of a chunk that are hashed, to know it again.
    static let hashedBytes = 4_096

    private let file: MappedFile

    /// Opens the journal of a run, or makes one.
    ///
    /// - Throws: `SystemError`, ENOSPC for a full disk.
    init(path: String) throws(SystemError) {
        file = try MappedFile(path: path, byteCount: Self.byteCount)
    }

    /// The journal of one stream.
    func stream(_ index: Int) -> Stream { Stream(file: file, index: index) }

    /// The state of one stream.
    struct Stream {
        fileprivate let file: MappedFile
        /// 0 for stdout, 1 for stderr.
        fileprivate let index: Int

        private var wordOffset: Int { index * 64 }
        private var word: Word { Word(file.number(at: wordOffset)) }

        /// The beginning of a line that waits for its end, and whether a part of the line is in the log already.
        var rest: (bytes: [UInt8], isContinuing: Bool) {
            let word = word
            return (Array(area(word.side)[..<min(word.restLength, LogRecord.maxTextBytes)]), word.isContinuing)
        }

        /// What an earlier process was doing when it ended; nil when it was between two chunks.
        var interruption: Interruption? {
            switch word.step {
            case .settled: return nil
            case .logging:
                return .logging(
                    since: LogPosition(
                        segment: file.number(at: wordOffset + 16),
                        offset: Int64(clamping: file.number(at: wordOffset + 24))))
            case .discarding: return .discarding(count: word.count, hash: file.number(at: wordOffset + 8))
            }
        }

        func beginLogging(at position: LogPosition) {
            file.setNumber(position.segment, at: wordOffset + 16)
            file.setNumber(UInt64(clamping: position.offset), at: wordOffset + 24)
            var word = word
            word.step = .logging
            set(word)
        }

        /// - Parameters:
        ///   - count: bytes to take out of the FIFO, at most 1 MiB; 0 when nothing was read.
        ///   - rest: what waits for the end of its line from now on.
        func beginDiscarding(count: Int, hash: UInt64, rest: (bytes: [UInt8], isContinuing: Bool)) {
            var word = word
            // Into the other half: the present rest counts until the word changes.
            word.side ^= 1
            area(word.side).copyBytes(from: rest.bytes)
            file.setNumber(hash, at: wordOffset + 8)
            word.restLength = rest.bytes.count
            word.isContinuing = rest.isContinuing
            word.count = count
            word.step = .discarding
            set(word)
        }

        func settle() {
            var word = word
            word.step = .settled
            set(word)
        }

        private func set(_ word: Word) { file.setNumber(word.number, at: wordOffset) }

        private func area(_ side: Int) -> UnsafeMutableRawBufferPointer {
            let start = 4_096 + (index * 2 + side) * LogRecord.maxTextBytes
            return UnsafeMutableRawBufferPointer(rebasing: file.bytes[start..<start + LogRecord.maxTextBytes])
        }
    }

    private struct Word {
        enum Step: UInt64 { case settled, logging, discarding }

        var step: Step
        /// Which half of the stream's area holds the rest.
        var side: Int
        var isContinuing: Bool
        var restLength: Int
        var count: Int

        init(_ number: UInt64) {
            step = Step(rawValue: number & 3) ?? .settled
            side = Int(number >> 2 & 1)
            isContinuing = number >> 3 & 1 == 1
            restLength = Int(number >> 8 & 0xFFFF)
            count = Int(number >> 32 & 0xFF_FFFF)
        }

        var number: UInt64 {
            step.rawValue | UInt64(side) << 2 | (isContinuing ? 8 : 0) | UInt64(restLength) << 8 | UInt64(count) << 32
        }
    }

    /// A hash of the head of a chunk.
    static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        let head = UnsafeRawBufferPointer(rebasing: bytes.prefix(hashedBytes))
        let words = head.count / 8
        for index in 0..<words {
            hash = (hash ^ head.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)) &* 0x100_0000_01b3
            hash ^= hash >> 29
        }
        for byte in head[(words * 8)...] { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash
    }
}
