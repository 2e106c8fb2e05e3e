// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore

/// What libFuzzer feeds: the first byte says how the others are cut into pieces, ROUTER_FUZZER which part of the router gets them.
enum RouterFuzzer {
    static let targets: [String: @Sendable ([UInt8], Cuts) -> Void] = [
        "requests": RequestFuzzing.run, "answers": AnswerFuzzing.run, "chunks": ChunkFuzzing.run,
        "routing": RoutingFuzzing.run, "rewriting": RewritingFuzzing.run, "http2": HTTP2Fuzzing.run,
    ]

    static let target = {
        let name = getenv("ROUTER_FUZZER").map { String(cString: $0) } ?? ""
        guard let target = targets[name] else { fatalError("ROUTER_FUZZER is none of \(targets.keys.sorted())") }
        return target
    }()
}

/// Ends the process, which libFuzzer takes for a finding.
func require(_ condition: Bool, _ message: @autoclosure () -> String) {
    if !condition { fatalError(message()) }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    RouterFuzzer.target(Array(bytes.dropFirst()), Cuts(seed: bytes.first ?? 0))
    return 0
}

/// A way to cut bytes into pieces, as a network might.
struct Cuts {
    /// 0: every byte alone; others: pieces of many lengths.
    let seed: UInt8

    static let everyByte = Cuts(seed: 0)

    func pieces(of bytes: [UInt8]) -> [ByteBuffer] {
        var state = UInt32(seed)
        var rest = bytes[...]
        var pieces: [ByteBuffer] = []
        while !rest.isEmpty {
            state = state &* 1_664_525 &+ 1_013_904_223
            // Short pieces more often than long ones.
            let length = seed == 0 ? 1 : 1 + Int(state >> 24) % (1 << (Int(state >> 16) % 8))
            pieces.append(ByteBuffer(bytes: rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        return pieces
    }
}

extension ByteBuffer {
    var bytes: [UInt8] { Array(readableBytesView) }
    var text: String { String(decoding: readableBytesView, as: UTF8.self).debugDescription }
}
