// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel
internal import Synchronization

/// Writes what a deploy does while it does it.
final class DeployReporter: Sendable {
    private let stream: OutputStream
    private let style: Style
    private let percent = Mutex(-1)

    /// - Parameter stream: standard error when standard output is for JSON.
    init(stream: OutputStream) {
        self.stream = stream
        style = .of(stream)
    }

    /// A step: `==> packing shop`.
    func step(_ text: String, _ tone: Style.Tone = .bold) {
        stream.write("\(style.paint("==>", tone)) \(shown(text))\n")
    }

    /// What belongs to the step.
    func detail(_ text: String) { stream.write("    \(shown(text))\n") }

    /// How far an upload is; on a terminal only.
    func upload(sent: Int64, total: Int64) {
        guard stream.isTerminal, total >= 1 << 20 else { return }
        let now = Int(Double(sent) / Double(max(total, 1)) * 100)
        let isNew = percent.withLock { last in
            defer { last = now }
            return last != now
        }
        guard isNew else { return }
        stream.write("\r    \(ByteCount(bytes: sent)) of \(ByteCount(bytes: total)) (\(now) %)\u{1B}[K")
        if sent >= total { stream.write("\r\u{1B}[K") }
    }

    /// What the waiting has to tell.
    func tell(_ progress: AppWaiter.Progress) {
        switch progress {
        case .waiting(let sentence): detail(sentence)
        case .disconnected(let sentence): detail("\(sentence); still waiting")
        case .event(let event):
            guard Self.toldKinds.contains(event.kind), !event.message.isEmpty else { return }
            let message = event.message
            // The sentence names the instance or does not, as its writer liked it.
            let prefix = event.instance.flatMap { message.contains($0) ? nil : "\($0): " } ?? ""
            detail(prefix + message)
        }
    }

    /// Kinds that say something which the steps do not say anyway.
    private static let toldKinds: Set<Event.Kind> = [
        .starting, .exited, .startFailed, .restarting, .crashLooping, .health, .limitsChanged, .warning,
        .blocked, .unknown,
    ]

    private func shown(_ text: String) -> String { DisplayText.forStream(text, isTerminal: stream.isTerminal) }
}
