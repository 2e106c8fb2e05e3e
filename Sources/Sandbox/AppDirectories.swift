// SPDX-License-Identifier: Apache-2.0

/// Where an app's directories lie on the host.
public struct AppDirectories: Hashable, Sendable {
    /// The unpacked bundle, shown read-only at `/app`; readable by the app's uid. Nil: an empty `/app`.
    public var app: String?
    /// The kept directory, shown at `/data`; owned by the app's uid.
    public var data: String

    /// Creates the pair, both absolute paths.
    public init(app: String?, data: String) {
        self.app = app
        self.data = data
    }
}
