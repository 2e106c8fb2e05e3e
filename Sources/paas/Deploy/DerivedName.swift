// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// An app's name made of a directory's.
enum DerivedName {
    /// `My_Shop 2` becomes `my-shop-2`; nil when nothing is left of it.
    static func from(directory path: String) -> AppName? {
        let last = path.split(separator: "/").last ?? ""
        var name = ""
        for byte in last.lowercased().utf8 {
            let isAllowed = (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte)
            if isAllowed {
                name.unicodeScalars.append(Unicode.Scalar(byte))
            } else if !name.isEmpty, !name.hasSuffix("-") {
                name += "-"
            }
        }
        name = String(name.prefix(63))
        while name.hasSuffix("-") { name.removeLast() }
        return AppName(rawValue: name)
    }
}
