// SPDX-License-Identifier: Apache-2.0

import NIOCore

extension SocketOptionProvider {
    /// Makes the next close a reset (RST) instead of an orderly end: SO_LINGER on, with a time of 0 (socket(7)).
    ///
    /// The pair of integers has the layout of `struct linger`, which NIO does not re-export.
    func resetOnClose() {
        _ = unsafeSetSocketOption(level: .socket, name: .so_linger, value: (Int32(1), Int32(0)))
    }
}
