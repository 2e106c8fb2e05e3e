// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHPACK

/// What a client says, and the rules for it that need to know what it has said before.
extension HTTP2Connection {
    func take(_ said: HTTP2Input) throws(HTTP2Failure) {
        switch said {
        case .contentBegins(let id, let length): try takeContentBegin(id, length)
        case .content(let id, let bytes): try takeContent(id, bytes)
        case .contentEnds(let id, let padding, let isEmpty, let endStream):
            if isEmpty, !endStream { try count(.control) }
            giveBack(padding)
            guard let stream = streams[id] else { return }
            stream.giveBack(padding)
            if endStream { try end(stream, nil) }
        case .fields(let id, let block, let endStream): try takeFields(id, block, endStream: endStream)
        case .reset(let id):
            try checkHasBegun(id)
            try count(.reset)
            if let stream = streams[id] { remove(stream) }
        case .settings(let pairs):
            try count(.control)
            try takeSettings(pairs)
        case .settingsTaken, .priority: try count(.control)
        case .ping(let data):
            try count(.control)
            output.writePing(data, isAnswer: true)
        case .pong(let data):
            try count(.control)
            if data == Self.farewell, loop.isShuttingDown { sayFarewell() }
        case .goAway:
            try count(.control)
            leave()
        case .windowUpdate(let id, let increment): try takeWindowUpdate(id, increment)
        }
    }

    private func count(_ kind: HTTP2Guard.Kind) throws(HTTP2Failure) {
        try guardian.count(kind, now: loop.thread.now)
    }

    /// Resets a stream because of what the client has sent.
    private func blame(_ id: UInt32, _ code: HTTP2Code) throws(HTTP2Failure) {
        if let stream = streams[id] { reset(stream, code) } else { resetStream(id, code) }
        try count(.error)
    }

    private func checkHasBegun(_ id: UInt32) throws(HTTP2Failure) {
        guard id <= lastStream, id % 2 == 1 else { throw HTTP2Failure(code: .protocolError) }
    }

    /// Frames of a stream that is over may be under way when the router has ended it, and only then.
    private func checkMayBeUnderWay(_ id: UInt32) throws(HTTP2Failure) {
        try checkHasBegun(id)
        guard wasReset(id) else { throw HTTP2Failure(code: .streamClosed) }
    }

    // MARK: - Content

    private func takeContentBegin(_ id: UInt32, _ length: Int) throws(HTTP2Failure) {
        guard receiveWindow.take(length) else { throw HTTP2Failure(code: .flowControlError) }
        guard let stream = streams[id] else {
            if id > lastStream, isIgnored(id) { return }
            return try checkMayBeUnderWay(id)
        }
        if stream.isRequestComplete {
            try blame(id, .streamClosed)
        } else if !stream.takeWindow(length) {
            try blame(id, .flowControlError)
        }
    }

    private func takeContent(_ id: UInt32, _ bytes: ByteBuffer) throws(HTTP2Failure) {
        guard let stream = streams[id] else { return giveBack(bytes.readableBytes) }
        if stream.take(bytes) {
            touch(stream)
        } else {
            giveBack(bytes.readableBytes)
            try blame(id, .protocolError)
        }
    }

    // MARK: - Fields

    private func takeFields(_ id: UInt32, _ block: ByteBuffer, endStream: Bool) throws(HTTP2Failure) {
        let fields = try decode(block)
        if let stream = streams[id] { return try takeTrailers(stream, fields, endStream: endStream) }
        guard id % 2 == 1 else { throw HTTP2Failure(code: .protocolError) }
        guard id > lastStream else { return try checkMayBeUnderWay(id) }
        guard !isIgnored(id) else { return }
        lastStream = id
        guard streams.count < loop.configuration.limits.streamsPerConnection else {
            return try blame(id, .refusedStream)
        }
        let request: HTTP2Head
        do throws(FramingError) {
            request = try HTTP2Head(fields, endStream: endStream)
        } catch {
            // RFC 9113 §8.1.1 has a malformed request end as a stream error.
            return try blame(id, .protocolError)
        }
        begin(id, request, endStream: endStream)
    }

    /// Has to be read in any case: later fields refer to it.
    private func decode(_ block: ByteBuffer) throws(HTTP2Failure) -> HPACKHeaders {
        var block = block
        do {
            return try decoder.decodeHeaders(from: &block)
        } catch is NIOHPACKErrors.MaxHeaderListSizeViolation {
            throw HTTP2Failure(code: .enhanceYourCalm)
        } catch {
            throw HTTP2Failure(code: .compressionError)
        }
    }

    private func takeTrailers(
        _ stream: HTTP2Stream, _ fields: HPACKHeaders, endStream: Bool
    ) throws(HTTP2Failure) {
        guard !stream.isRequestComplete else { return try blame(stream.id, .streamClosed) }
        guard endStream else { return try blame(stream.id, .protocolError) }
        let trailers: Trailers
        do throws(FramingError) {
            trailers = try HTTP2Head.trailers(fields)
        } catch {
            return try blame(stream.id, .protocolError)
        }
        try end(stream, trailers)
    }

    /// The request is complete, if it is as long as was stated.
    private func end(_ stream: HTTP2Stream, _ trailers: Trailers?) throws(HTTP2Failure) {
        if stream.takeEnd(trailers) { touch(stream) } else { try blame(stream.id, .protocolError) }
    }

    // MARK: - Settings and windows

    private func takeSettings(_ pairs: ByteBuffer) throws(HTTP2Failure) {
        var pairs = pairs
        var window = initialSendWindow
        while let (id, value) = pairs.readMultipleIntegers(as: (UInt16, UInt32).self) {
            switch id {
            // SETTINGS_ENABLE_PUSH and SETTINGS_NO_RFC7540_PRIORITIES: yes or no.
            case 2, 9: guard value <= 1 else { throw HTTP2Failure(code: .protocolError) }
            case 4:
                guard value <= HTTP2Limits.window else { throw HTTP2Failure(code: .flowControlError) }
                window = Int(value)
            // SETTINGS_MAX_FRAME_SIZE: no frame is larger than all accept.
            case 5:
                guard value >= HTTP2Limits.frame, value < 1 << 24 else { throw HTTP2Failure(code: .protocolError) }
            // The table of fields is not used, and streams are not begun from here.
            default: break
            }
        }
        let change = window - initialSendWindow
        initialSendWindow = window
        if change != 0 {
            for stream in streams.values {
                guard stream.addToSendWindow(change) else { throw HTTP2Failure(code: .flowControlError) }
                send(stream)
            }
        }
        output.writeSettingsTaken()
    }

    private func takeWindowUpdate(_ id: UInt32, _ increment: Int) throws(HTTP2Failure) {
        if id == 0 {
            guard increment > 0 else { throw HTTP2Failure(code: .protocolError) }
            guard sendWindow.add(increment) else { throw HTTP2Failure(code: .flowControlError) }
            return
        }
        if isIgnored(id) { return }
        try checkHasBegun(id)
        guard let stream = streams[id] else { return }
        if increment == 0 {
            try blame(id, .protocolError)
        } else if stream.addToSendWindow(increment) {
            send(stream)
        } else {
            try blame(id, .flowControlError)
        }
    }
}
