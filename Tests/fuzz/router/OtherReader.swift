// SPDX-License-Identifier: Apache-2.0

import CNIOLLHTTP
import NIOCore

/// What llhttp, which Node.js and SwiftNIO use, understands of the same bytes.
final class OtherReader {
    struct Message {
        var url: [UInt8] = []
        var body: [UInt8] = []
        var status = 0
        var isComplete = false
    }

    private(set) var messages: [Message] = []
    private(set) var error = HPE_OK
    private let isForHead: Bool

    /// Reads all of it, and the end of the connection.
    init(_ bytes: [UInt8], _ kind: llhttp_type_t, isForHead: Bool = false) {
        self.isForHead = isForHead
        var settings = llhttp_settings_t()
        c_nio_llhttp_settings_init(&settings)
        settings.on_message_begin = { OtherReader.of($0) { $0.messages.append(Message()) } }
        settings.on_url = { parser, start, count in
            OtherReader.of(parser) { $0.messages[$0.messages.count - 1].url += OtherReader.bytes(start, count) }
        }
        settings.on_body = { parser, start, count in
            OtherReader.of(parser) { $0.messages[$0.messages.count - 1].body += OtherReader.bytes(start, count) }
        }
        settings.on_headers_complete = { parser in
            guard let parser else { return -1 }
            let status = Int(parser.pointee.status_code)
            _ = OtherReader.of(parser) { $0.messages[$0.messages.count - 1].status = status }
            return Unmanaged<OtherReader>.fromOpaque(parser.pointee.data).takeUnretainedValue().isForHead ? 1 : 0
        }
        settings.on_message_complete = { OtherReader.of($0) { $0.messages[$0.messages.count - 1].isComplete = true } }
        withUnsafeMutablePointer(to: &settings) { settings in
            var parser = llhttp_t()
            c_nio_llhttp_init(&parser, kind, settings)
            parser.data = Unmanaged.passUnretained(self).toOpaque()
            error = bytes.withUnsafeBytes { c_nio_llhttp_execute_swift(&parser, $0.baseAddress, $0.count) }
            if error == HPE_OK { error = c_nio_llhttp_finish(&parser) }
        }
    }

    private static func of(_ parser: UnsafeMutablePointer<llhttp_t>?, _ body: (OtherReader) -> Void) -> CInt {
        guard let parser else { return -1 }
        body(Unmanaged<OtherReader>.fromOpaque(parser.pointee.data).takeUnretainedValue())
        return 0
    }

    private static func bytes(_ start: UnsafePointer<CChar>?, _ count: Int) -> [UInt8] {
        UnsafeRawBufferPointer(start: start, count: count).map { $0 }
    }
}
