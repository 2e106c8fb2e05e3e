// SPDX-License-Identifier: Apache-2.0

public import PaaSModel

/// The environment that an app sees: the contract's variables and its own, nothing of the agent's.
public enum AppEnvironment {
    /// Variables that an app's own environment may replace.
    public static let replaceable: [String: String] = [
        "HOME": "/data",
        "TMPDIR": "/tmp",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    ]

    /// The name of the app's user, `USER` and `LOGNAME`, as the `/etc/passwd` in its view has it.
    public static let userName = "app"

    /// The environment of one run.
    ///
    /// - Parameters:
    ///   - assignment: whose release is run.
    ///   - port: what it gets as `PORT`.
    ///   - home: where `/data` is, which differs only without a mount namespace.
    public static func variables(
        for assignment: Assignment, port: Int, home: String = "/data"
    ) -> [String: String] {
        var variables = replaceable
        variables["HOME"] = home
        variables.merge(assignment.spec.env) { _, own in own }
        variables.merge((assignment.spec.secrets ?? [:]).mapValues(\.text)) { _, own in own }
        // Last, so that nothing an app sets can lie about them.
        variables["PORT"] = String(port)
        variables["PAAS_APP"] = assignment.app.rawValue
        variables["PAAS_INSTANCE"] = assignment.slot
        variables["PAAS_RELEASE"] = assignment.release
        variables["USER"] = userName
        variables["LOGNAME"] = userName
        return variables
    }
}
