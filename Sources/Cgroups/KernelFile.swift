// SPDX-License-Identifier: Apache-2.0

/// The contents of one file of the kernel, read strictly: what is not as documented is an error that names the file.
struct KernelFile: Hashable, Sendable {
    /// For messages.
    let path: String
    let text: String

    /// Names and numbers (kernel: cgroup-v2, "flat keyed").
    func flatKeyed() throws -> FlatKeyedFile {
        guard let file = FlatKeyedFile(text) else { throw malformed("is not a list of names and numbers") }
        return file
    }

    /// One number of a flat keyed file, which must be there: a missing one is never taken for 0.
    func value(of key: Substring) throws -> Int64 { try value(of: key, in: flatKeyed()) }

    /// The same of a file that was taken apart already.
    func value(of key: Substring, in values: FlatKeyedFile) throws -> Int64 {
        guard let value = values[key] else { throw malformed("has no '\(key)'") }
        return value
    }

    /// The number that is all of the file.
    func number() throws -> Int64 {
        guard text.last == "\n", let value = Int64(text.dropLast()), value >= 0 else {
            throw malformed("is not a number")
        }
        return value
    }

    /// The number that is all of the file; nil for `max`, which is no limit.
    func limit() throws -> Int64? { text == "max\n" ? nil : try number() }

    func malformed(_ why: String) -> CgroupError { CgroupError(.malformedFile, "\(path): \(why)") }
}

/// Where the files of one cgroup come from: opened for each look, or kept open between looks.
protocol ControllerFiles {
    /// The file; nil when this cgroup does not have it.
    func file(_ name: String) throws -> KernelFile?
}

extension ControllerFiles {
    /// A file that every cgroup of its kind has.
    func require(file name: String) throws -> KernelFile {
        guard let file = try file(name) else {
            throw CgroupError(
                .operationFailed, "the cgroup has no file \(name): it was removed, or this kernel is older than 5.14")
        }
        return file
    }
}

extension CgroupDirectory: ControllerFiles {
    func file(_ name: String) throws -> KernelFile? {
        try read(name).map { KernelFile(path: "\(path)/\(name)", text: $0) }
    }
}
