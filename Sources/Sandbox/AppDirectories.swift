// SPDX-License-Identifier: Apache-2.0

/// Where an app's directories lie on the host.
public struct AppDirectories: Hashable, Sendable {
    /// An image file with the file system that is shown at `/data`.
    public struct Disk: Hashable, Sendable {
        /// Its absolute path.
        public var image: String
        /// The size in bytes to which it grows at the start; one that is larger stays as it is.
        public var growingTo: Int64

        /// Creates a disk.
        public init(image: String, growingTo: Int64) {
            self.image = image
            self.growingTo = growingTo
        }
    }

    /// The unpacked bundle, shown read-only at `/app`; readable by the app's uid. Nil: an empty `/app`.
    public var app: String?
    /// The kept directory, shown at `/data` unless there is a disk; owned by the app's uid.
    public var data: String
    /// What limits the size of `/data`; nil: nothing does.
    public var disk: Disk?

    /// Creates them, all absolute paths.
    public init(app: String?, data: String, disk: Disk? = nil) {
        self.app = app
        self.data = data
        self.disk = disk
    }
}
