// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// What has to become of the image of an app's `/data` before a run may start.
enum DiskStep: Hashable, Sendable {
    /// A start can go ahead; it lets the file system grow by itself where that is wanted.
    case nothing
    /// There is none yet.
    case make(bytes: Int64)
    /// It gets another size, while nothing has it mounted.
    case resize(bytes: Int64)
    /// The app has to be stopped first; the reason without the remedy.
    case refuse(String)

    /// Sizes are whole blocks of the largest size that an ext4 file system has here.
    static func rounded(_ bytes: Int64) -> Int64 { bytes & ~4_095 }

    /// Decides.
    ///
    /// - Parameters:
    ///   - limit: what the release asks for, in bytes; nil when it does not.
    ///   - image: size of the image that there is, in bytes.
    ///   - live: the same limit of each run of the app that lives.
    ///   - mayShrink: a larger image may become smaller. Not for an instance that has run with it: a release that had let it
    ///     grow has failed, and a crash is no time to copy files, or to find that they no longer fit.
    ///   - growsWhileMounted: this node can let a file system grow that runs have mounted.
    init(
        limit: Int64?, image: Int64?, live: @autoclosure () -> [Int64?], mayShrink: Bool, growsWhileMounted: Bool
    ) {
        // Without a limit the files stay where they are.
        guard let wanted = limit.map(Self.rounded) else {
            self = .nothing
            return
        }
        let live = live()
        guard let image else {
            self =
                live.isEmpty
                ? .make(bytes: wanted)
                : .refuse("its /data has no limit yet, and gets one only while nothing of the app runs")
            return
        }
        // A release that goes back after another one had let it grow does not ask for less than what runs beside it.
        let isAsItRuns = live.contains { ($0.map(Self.rounded) ?? .max) <= wanted }
        if wanted == image || (wanted > image && growsWhileMounted) || (wanted < image && (isAsItRuns || !mayShrink)) {
            self = .nothing
        } else if live.isEmpty {
            self = .resize(bytes: wanted)
        } else if wanted > image {
            self = .refuse("without CAP_SYS_RESOURCE this node lets /data grow only while nothing of the app runs")
        } else {
            self = .refuse(
                "its /data has \(ByteCount(bytes: image)), and can become smaller only while nothing of the app runs")
        }
    }
}
