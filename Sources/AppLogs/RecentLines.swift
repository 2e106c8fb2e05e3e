// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// The last lines of one run, for its exit report; at most 20 lines, and of each at most 1 KiB.
///
/// Slots are used again, so a flood allocates nothing.
struct RecentLines {
    /// Most lines kept.
    static let maxLines = Defaults.exitReportLines
    /// Most bytes kept of a line.
    static let maxLineBytes = 1024

    private struct Slot {
        var bytes: [UInt8]
        var isCut: Bool
    }

    private var slots: [Slot] = []
    private var next = 0
    /// The slot that a piece of stdout or stderr continues.
    private var openOut: Int?
    private var openErr: Int?

    /// Adds a piece of a line; a piece after an open one of the same stream continues it.
    mutating func add(_ text: UnsafeRawBufferPointer, stream: LogLine.Stream, isFull: Bool) {
        let open = stream == .stdout ? openOut : openErr
        let slot = open ?? freeSlot()
        extend(slot, text)
        if stream == .stdout { openOut = isFull ? nil : slot } else { openErr = isFull ? nil : slot }
    }

    /// A piece of the stream's last line is kept and waits for the rest of it.
    func isOpen(_ stream: LogLine.Stream) -> Bool { (stream == .stdout ? openOut : openErr) != nil }

    private mutating func freeSlot() -> Int {
        if slots.count < Self.maxLines {
            slots.append(Slot(bytes: [], isCut: false))
            return slots.count - 1
        }
        defer { next = (next + 1) % Self.maxLines }
        // A line of the other stream that never ends loses its beginning, when so many have come since.
        if openOut == next { openOut = nil }
        if openErr == next { openErr = nil }
        slots[next].bytes.removeAll(keepingCapacity: true)
        slots[next].isCut = false
        return next
    }

    private mutating func extend(_ index: Int, _ text: UnsafeRawBufferPointer) {
        let room = Self.maxLineBytes - slots[index].bytes.count
        slots[index].bytes.append(contentsOf: text.prefix(room))
        slots[index].isCut = slots[index].isCut || text.count > room
    }

    /// The newest lines, oldest first. Bytes that are not UTF-8 become U+FFFD, a line that was cut ends with `…`.
    func last(_ count: Int) -> [String] {
        let ordered = slots[next...] + slots[..<next]
        return ordered.suffix(max(0, count)).map { String(decoding: $0.bytes, as: UTF8.self) + ($0.isCut ? "…" : "") }
    }
}
