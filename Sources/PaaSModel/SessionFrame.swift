// SPDX-License-Identifier: Apache-2.0

/// One piece of a session: what the body of a request to `/apps/{…}/exec` or `/run` and of its answer are made of.
///
/// On the wire a byte for the kind, four bytes for the length of the payload in network byte order, and the payload.
public struct SessionFrame: Hashable, Sendable {
    /// What a payload is. Numbers never change their meaning; a kind that is not known is skipped.
    public struct Kind: RawRepresentable, Hashable, Sendable {
        /// The number.
        public let rawValue: UInt8

        /// Creates a kind from its number.
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// The first frame of a request: a ``SessionRequest`` in JSON.
        public static let open = Kind(rawValue: 1)
        /// Bytes for standard input, or from the terminal.
        public static let input = Kind(rawValue: 2)
        /// Standard input has ended. No payload.
        public static let inputEnd = Kind(rawValue: 3)
        /// The terminal has another size: a ``TerminalSize`` in JSON.
        public static let resize = Kind(rawValue: 4)
        /// A signal for the command: its number, one byte.
        public static let signal = Kind(rawValue: 5)
        /// Somebody is there still. No payload; sent where nothing else was for some seconds.
        public static let alive = Kind(rawValue: 6)

        /// The command runs: a ``SessionStart`` in JSON.
        public static let started = Kind(rawValue: 65)
        /// Bytes of standard output, or for the terminal.
        public static let output = Kind(rawValue: 66)
        /// Bytes of standard error.
        public static let errors = Kind(rawValue: 67)
        /// The last frame of an answer: a ``SessionEnd`` in JSON.
        public static let ended = Kind(rawValue: 68)
    }

    /// Largest payload that is sent and accepted.
    public static let maxPayload = 1 << 20

    /// What the payload is.
    public var kind: Kind
    /// The payload, at most ``maxPayload``.
    public var payload: [UInt8]

    /// Creates a frame.
    public init(_ kind: Kind, _ payload: [UInt8] = []) {
        self.kind = kind
        self.payload = payload
    }

    /// The frame as it is sent.
    public var bytes: [UInt8] {
        let count = UInt32(payload.count)
        let length = [24, 16, 8, 0].map { UInt8(count >> $0 & 0xFF) }
        return [kind.rawValue] + length + payload
    }
}

/// Cuts a stream of bytes into frames, however they were split on the way.
public struct SessionFrameDecoder: Sendable {
    private var pending: [UInt8] = []

    /// A decoder at the beginning of a stream.
    public init() {}

    /// Takes bytes that have come.
    ///
    /// - Throws: `ValidationError` when a frame is larger than ``SessionFrame/maxPayload``.
    public mutating func append(_ bytes: some Sequence<UInt8>) throws(ValidationError) {
        pending.append(contentsOf: bytes)
        guard pending.count >= 5, length > SessionFrame.maxPayload else { return }
        throw ValidationError(field: "frame", message: "is larger than \(SessionFrame.maxPayload >> 10) KiB")
    }

    /// The next whole frame.
    ///
    /// - Throws: `ValidationError`, see ``append(_:)``.
    public mutating func next() throws(ValidationError) -> SessionFrame? {
        guard pending.count >= 5 else { return nil }
        guard length <= SessionFrame.maxPayload else {
            throw ValidationError(field: "frame", message: "is larger than \(SessionFrame.maxPayload >> 10) KiB")
        }
        let end = 5 + length
        guard pending.count >= end else { return nil }
        let frame = SessionFrame(SessionFrame.Kind(rawValue: pending[0]), Array(pending[5..<end]))
        pending.removeFirst(end)
        return frame
    }

    private var length: Int {
        Int(pending[1]) << 24 | Int(pending[2]) << 16 | Int(pending[3]) << 8 | Int(pending[4])
    }
}
