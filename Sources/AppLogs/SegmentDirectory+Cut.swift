// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem

extension SegmentDirectory {
    /// Removes everything after a place, as if it had never been written. Nobody may have the log open to write.
    ///
    /// Segments that were begun since become empty and stay: a number is never given to two files, or a reader that has the
    /// first one open would wait there for ever.
    func cut(after position: LogPosition) throws(SystemError) {
        // What is compressed was settled long before.
        for number in try numbers() where number > position.segment && isPlain(number) {
            try SegmentFile.append(to: number, in: self).truncate(to: 0)
        }
        guard isPlain(position.segment), let present = try SegmentFile.open(position.segment, in: self),
            try present.size() > position.offset
        else { return }
        try SegmentFile.append(to: position.segment, in: self).truncate(to: position.offset)
    }
}
