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
        var stream: LogLine.Stream
        var bytes: [UInt8]
        var isOpen: Bool
        var isCut: Bool
    }

    private var slots: [Slot] = []
    private var next = 0

    /// Adds a piece of a line; a piece after an open one of the same stream continues it.
    mutating func add(_ text: UnsafeRawBufferPointer, stream: LogLine.Stream, isFull: Bool) {
        if let open = slots.firstIndex(where: { $0.isOpen && $0.stream == stream }) {
            extend(open, text, isFull)
        } else if slots.count < Self.maxLines {
            slots.append(Slot(stream: stream, bytes: [], isOpen: true, isCut: false))
            extend(slots.count - 1, text, isFull)
        } else {
            slots[next].stream = stream
            slots[next].bytes.removeAll(keepingCapacity: true)
            slots[next].isCut = false
            extend(next, text, isFull)
            next = (next + 1) % Self.maxLines
        }
    }

    private mutating func extend(_ index: Int, _ text: UnsafeRawBufferPointer, _ isFull: Bool) {
        let room = Self.maxLineBytes - slots[index].bytes.count
        slots[index].bytes.append(contentsOf: text.prefix(room))
        slots[index].isCut = slots[index].isCut || text.count > room
        slots[index].isOpen = !isFull
    }

    /// The newest lines, oldest first. Bytes that are not UTF-8 become U+FFFD, a line that was cut ends with `…`.
    func last(_ count: Int) -> [String] {
        let ordered = slots[next...] + slots[..<next]
        return ordered.suffix(max(0, count)).map { String(decoding: $0.bytes, as: UTF8.self) + ($0.isCut ? "…" : "") }
    }
}
