// SPDX-License-Identifier: Apache-2.0

/// What a run was doing when it no longer answered: looked at when its health check had failed for good, before it was
/// killed.
public struct HangReport: Codable, Hashable, Sendable {
    /// One thread, as proc(5) shows it.
    public struct Thread: Codable, Hashable, Sendable {
        /// Number, as the host sees it.
        public var tid: Int32
        /// Name of the thread, at most 15 bytes.
        public var name: String
        /// `R` running, `S` sleeping, `D` waiting for a device, `T` stopped, `Z` ended; proc_pid_stat(5).
        public var state: String
        /// Where in the kernel it waits, such as `futex_wait_queue`; nil when it runs, or the kernel does not say.
        public var waitsIn: String?
        /// Number of the system call that it is in; nil when it is in none.
        public var systemCall: Int?

        /// Creates the view.
        public init(tid: Int32, name: String, state: String, waitsIn: String? = nil, systemCall: Int? = nil) {
            self.tid = tid
            self.name = name
            self.state = state
            self.waitsIn = waitsIn
            self.systemCall = systemCall
        }
    }

    /// TCP sockets of one state.
    public struct Sockets: Codable, Hashable, Sendable {
        /// `LISTEN`, `ESTABLISHED`, `CLOSE_WAIT`, …
        public var state: String
        /// How many.
        public var count: Int
        /// Bytes that wait to be read in them; of `LISTEN` connections that wait to be accepted.
        public var waiting: Int

        /// Creates the view.
        public init(state: String, count: Int, waiting: Int) {
            self.state = state
            self.count = count
            self.waiting = waiting
        }
    }

    /// Most threads that are shown.
    public static let maxThreads = 32

    /// When it was looked at.
    public var at: Timestamp
    /// Its threads, at most ``maxThreads``.
    public var threads: [Thread]
    /// How many threads there were.
    public var threadCount: Int
    /// Its TCP sockets by state.
    public var sockets: [Sockets]

    /// Creates a report.
    public init(at: Timestamp, threads: [Thread], threadCount: Int, sockets: [Sockets]) {
        self.at = at
        self.threads = threads
        self.threadCount = threadCount
        self.sockets = sockets
    }
}
