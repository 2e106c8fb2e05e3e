// SPDX-License-Identifier: Apache-2.0

/// The version that `--version` and `GET /nodes` show.
public enum ProductVersion {
    /// Semantic version of this source tree.
    public static let current = "0.1.0"
}
