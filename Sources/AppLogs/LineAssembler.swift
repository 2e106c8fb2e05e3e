// SPDX-License-Identifier: Apache-2.0

/// Cuts the bytes of one stream into records, however they arrive. Pure.
///
/// A record is a line without its newline, unchanged: carriage returns, NUL bytes and bytes that are not UTF-8 stay.
/// A line longer than the cap is given out in pieces, cut between two UTF-8 characters where it has them, and never
/// is more than the cap held. An empty last piece is given out only after a flush, to close the line.
struct LineAssembler {
    /// One piece of a line, valid during the call, and whether the line ends with it.
    typealias Sink = (_ text: UnsafeRawBufferPointer, _ isFull: Bool) -> Void

    private let cap: Int
    private var buffer: [UInt8] = []
    /// Something of the current line was flushed although more may follow.
    private var isContinuing = false

    /// - Parameter cap: longest piece in bytes, at least 4.
    init(cap: Int = LogRecord.maxTextBytes) {
        precondition(cap >= 4, "a cap must hold any UTF-8 character")
        self.cap = cap
    }

    /// The beginning of a line waits for the rest; somebody should flush it after a moment.
    var hasPartial: Bool { !buffer.isEmpty }

    /// What waits of the current line, and whether a part of it was given out before.
    var rest: (bytes: [UInt8], isContinuing: Bool) { (buffer, isContinuing) }

    /// Goes on where an earlier assembler had to stop.
    mutating func resume(_ bytes: [UInt8], isContinuing: Bool) {
        buffer = Array(bytes.prefix(cap))
        self.isContinuing = isContinuing
    }

    /// Bytes that wait, at most the cap.
    var bufferedBytes: Int { buffer.count }

    /// Takes bytes, and gives out every piece that they complete.
    mutating func append(_ bytes: UnsafeRawBufferPointer, sink: Sink) {
        var rest = bytes
        while !rest.isEmpty {
            let newline = rest.offset(of: 0x0A)
            take(UnsafeRawBufferPointer(rebasing: rest.prefix(newline ?? rest.count)), endsLine: newline != nil, sink)
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(newline.map { $0 + 1 } ?? rest.count))
        }
    }

    /// Gives out what waits, as a piece that the rest of its line will continue.
    mutating func flush(sink: Sink) {
        guard hasPartial else { return }
        give(isFull: false, sink)
    }

    /// The stream has ended: gives out what waits, as the end of a line.
    mutating func finish(sink: Sink) {
        guard hasPartial || isContinuing else { return }
        give(isFull: true, sink)
    }

    private mutating func take(_ bytes: UnsafeRawBufferPointer, endsLine: Bool, _ sink: Sink) {
        var rest = bytes
        while buffer.count + rest.count > cap {
            if buffer.isEmpty {
                let cut = Self.cut(UnsafeRawBufferPointer(rebasing: rest.prefix(cap)))
                sink(UnsafeRawBufferPointer(rebasing: rest.prefix(cut)), false)
                isContinuing = true
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(cut))
            } else {
                let missing = cap - buffer.count
                buffer.append(contentsOf: rest.prefix(missing))
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(missing))
                let cut = buffer.withUnsafeBytes { Self.cut($0) }
                buffer.withUnsafeBytes { sink(UnsafeRawBufferPointer(rebasing: $0.prefix(cut)), false) }
                buffer.removeFirst(cut)
                isContinuing = true
            }
        }
        if endsLine, buffer.isEmpty {
            sink(rest, true)
            isContinuing = false
        } else {
            buffer.append(contentsOf: rest)
            if endsLine { give(isFull: true, sink) }
        }
    }

    private mutating func give(isFull: Bool, _ sink: Sink) {
        buffer.withUnsafeBytes { sink($0, isFull) }
        buffer.removeAll(keepingCapacity: true)
        isContinuing = !isFull
    }

    /// Where to cut a full piece: before a UTF-8 character that is not complete at its end, else at the end.
    private static func cut(_ bytes: UnsafeRawBufferPointer) -> Int {
        for back in 1...3 {
            let byte = bytes[bytes.count - back]
            if byte & 0xC0 == 0x80 { continue }
            let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
            return length > back ? bytes.count - back : bytes.count
        }
        return bytes.count
    }
}
