// SPDX-License-Identifier: Apache-2.0

internal import CLinuxSupport

/// A pipe, pipe(7): both ends close-on-exec, the read end non-blocking.
public struct Pipe: ~Copyable {
    /// Where bytes come out; never blocks.
    public let reader: OwnedDescriptor
    /// Where bytes go in; reading ends once every copy of it is closed.
    public var writer: OwnedDescriptor?

    /// Opens a pipe.
    ///
    /// - Throws: `SystemError` (EMFILE, ENFILE).
    public init() throws(SystemError) {
        var readEnd: Int32 = -1
        var writeEnd: Int32 = -1
        let result = cls_pipe(&readEnd, &writeEnd)
        guard result >= 0 else { throw SystemError(operation: "pipe2", errno: -result) }
        reader = OwnedDescriptor(adopting: readEnd)
        writer = OwnedDescriptor(adopting: writeEnd)
    }

    /// Closes the write end; a reader then sees the end once the other holders have closed theirs.
    public mutating func closeWriter() {
        writer = nil
    }

    /// Gives the read end to the caller and closes the write end.
    public consuming func takeReader() -> OwnedDescriptor {
        reader
    }
}
