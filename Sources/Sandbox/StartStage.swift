// SPDX-License-Identifier: Apache-2.0

/// The step of a start that failed: numbers of `enum paas_init_stage`, which never change their meaning.
///
/// A number that this version does not know is kept and shown as a number.
public struct StartStage: RawRepresentable, Hashable, Sendable {
    /// The number.
    public let rawValue: UInt32

    /// Creates a stage from its number.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The plan is not one that this `paas-init` accepts.
    public static let planInvalid = StartStage(rawValue: 2)
    /// A bind mount: a directory of the app or of the host.
    public static let mountBind = StartStage(rawValue: 22)
    /// Mounting the image of an app's `/data`.
    public static let mountDisk = StartStage(rawValue: 31)
    /// Waiting for the tool of the network mode `egress`.
    public static let egress = StartStage(rawValue: 17)
    /// Creating the app's process.
    public static let fork = StartStage(rawValue: 51)
    /// Entering the working directory as the app's user.
    public static let appDirectory = StartStage(rawValue: 62)
    /// Executing the program.
    public static let exec = StartStage(rawValue: 90)

    /// What was being done, as in "while …".
    var activity: String {
        Self.activities[rawValue] ?? "in start stage \(rawValue)"
    }

    private static let activities: [UInt32: String] = [
        1: "reading the plan", 2: "checking the plan", 3: "checking the pid namespace",
        10: "joining a session keyring", 11: "starting a session", 12: "setting the OOM score",
        13: "creating namespaces", 14: "setting the host name",
        15: "bringing the loopback interface up", 16: "preparing the connector",
        17: "connecting the app's network to the outside",
        20: "making mounts private", 21: "mounting the root", 22: "binding a directory", 23: "mounting a tmpfs",
        24: "mounting /proc", 25: "mounting /dev", 26: "creating a link", 27: "writing a file",
        28: "hiding a directory",
        29: "making the root read-only", 30: "changing the root", 31: "mounting the image of /data",
        40: "setting a resource limit", 41: "dropping groups", 42: "locking securebits",
        43: "dropping the bounding set", 44: "changing the group", 45: "changing the user",
        46: "dropping capabilities", 47: "setting no_new_privs", 48: "clearing dumpable",
        49: "verifying the privileges", 50: "becoming the reaper", 51: "creating the app's process",
        60: "starting the app's session", 61: "closing descriptors", 62: "entering the working directory",
        63: "resetting signals", 64: "taking the terminal",
        70: "creating Landlock rules", 71: "adding a Landlock rule", 72: "applying the Landlock rules",
        80: "installing the system-call filter", 90: "executing the command",
    ]
}
