// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// A time as pages show it; the script replaces the text by one that stays true.
struct PageTime {
    let iso: String
    let text: String

    init(_ time: Timestamp, now: Timestamp = .now) {
        iso = time.description
        let seconds = Int(max(0, time.seconds(until: now)))
        text =
            switch seconds {
            case ..<10: "just now"
            case ..<60: "\(seconds) s ago"
            case ..<3_600: "\(seconds / 60) min ago"
            case ..<86_400: "\(seconds / 3_600) h ago"
            default: "\(seconds / 86_400) d ago"
            }
    }
}

/// A name and a value.
struct PageFact {
    let label: String
    let value: String

    /// Nil without a value.
    init?(_ label: String, _ value: String?) {
        guard let value else { return nil }
        self.label = label
        self.value = value
    }
}

/// A layer or limit: `tone` is `good` when it is in force.
struct PageLayer {
    let name: String
    let detail: String?
    let tone: String

    init(_ layer: SandboxLayer) {
        self.init(layer.name, layer.enforced, [layer.detail, layer.remedy].compactMap { $0 }.joined(separator: "; "))
    }

    init(_ name: String, _ enforced: Bool, _ detail: String?) {
        self.name = name
        self.detail = detail?.isEmpty == true ? nil : detail
        tone = enforced ? "good" : "bad"
    }
}

/// A list of events, newest first.
struct PageEvents {
    struct Item {
        let time: PageTime
        let subject: String
        /// An app that there is.
        let link: String?
        let message: String
        let tone: String
    }

    let items: [Item]

    /// - Parameters:
    ///   - apps: names that can be linked to.
    ///   - isOfOneApp: then the instance is told and not the app.
    init(_ events: [Event], apps: Set<String>, isOfOneApp: Bool) {
        items = events.reversed().map { event in
            let isLinked = !isOfOneApp && event.app.map(apps.contains) == true
            return Item(
                time: PageTime(event.time),
                subject: (isOfOneApp ? event.instance : event.app) ?? (event.kind == .node ? "node" : ""),
                link: isLinked ? event.app : nil,
                message: event.message, tone: Self.tone(event.kind))
        }
    }

    private static func tone(_ kind: Event.Kind) -> String {
        switch kind {
        case .deployFailed, .failed, .crashLooping, .startFailed, .warning, .exited, .blocked: "bad"
        default: ""
        }
    }
}
