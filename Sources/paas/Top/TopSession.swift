// SPDX-License-Identifier: Apache-2.0

internal import PaaSClient
internal import PaaSModel

/// `paas top` on a terminal: from the first snapshot until q or Ctrl-C, over any number of connections.
struct TopSession: Sendable {
    private enum Happening: Sendable {
        case terminal(Terminal.Input)
        case snapshot(StatsSnapshot)
        case connected
        case trouble(String)
        case failed(any Error)
    }

    /// How long a control plane may be away before the program gives up.
    static let patience = Duration.seconds(60)

    let client: PaaSClient
    let sort: TopSort
    let limit: Int?
    let intervalSeconds: Int

    /// Shows it until the user leaves.
    ///
    /// - Throws: `ClientError` when the control plane refuses, or stays away for longer than ``patience``.
    func run() async throws {
        // Before the screen changes: what fails at once is said like the error of any other command.
        let first = try await client.stats(history: true)
        let terminal = Terminal()
        defer { terminal.leave() }
        // Before anything is shown: who sees the table may press Ctrl-Z, which must not leave the terminal as it is.
        let inputs = terminal.inputs()
        let style = Style.of(.standard)
        var view = TopView(sort: sort, limit: limit)
        for snapshot in first { view.take(snapshot) }
        draw(&view, terminal, style)

        let (happenings, continuation) = AsyncStream.makeStream(of: Happening.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                for await input in inputs { continuation.yield(.terminal(input)) }
            }
            group.addTask { await follow { continuation.yield($0) } }
            for await happening in happenings {
                switch happening {
                case .terminal(.keys(let keys)):
                    let page = view.page(height: terminal.size.lines)
                    for key in keys where view.press(key, page: page) { return }
                case .terminal(.redraw): break
                case .connected: view.forgetNodes()
                case .snapshot(let snapshot): view.take(snapshot)
                case .trouble(let sentence): view.connectionTrouble = sentence
                case .failed(let error): throw error
                }
                draw(&view, terminal, style)
            }
            throw CancellationError()
        }
    }

    private func draw(_ view: inout TopView, _ terminal: Terminal, _ style: Style) {
        let size = terminal.size
        terminal.draw(view.screen(width: size.columns, height: size.lines, style: style, now: .now))
    }

    /// Follows the statistics until cancelled; a connection that breaks is made again.
    private func follow(_ tell: (Happening) -> Void) async {
        var lost: ContinuousClock.Instant?
        while !Task.isCancelled {
            do {
                let stream = try await client.followStats(intervalSeconds: intervalSeconds)
                var isNew = true
                for try await snapshot in stream {
                    if isNew, lost != nil { tell(.connected) }
                    isNew = false
                    lost = nil
                    tell(.snapshot(snapshot))
                }
                lost = lost ?? .now
                // Without any node there is nobody to tell; with one, its agent or the control plane went away.
                tell(.trouble(isNew ? "no node answers; trying again" : "the connection ended; trying again"))
            } catch let error as ClientError where error.isTransient {
                lost = lost ?? .now
                if let lost, ContinuousClock.now - lost > Self.patience { return tell(.failed(error)) }
                tell(.trouble("\(error); trying again"))
            } catch {
                return tell(.failed(error))
            }
            try? await Task.sleep(for: .seconds(1))
        }
    }
}
