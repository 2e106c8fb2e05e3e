// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Dispatch
internal import FoundationEssentials
internal import PaaSClient
internal import PaaSModel
internal import Synchronization

extension CompletionKind {
    /// Names of the apps that there are now. Where the control plane does not answer at once there is nothing to complete.
    static let appNames = CompletionKind.custom { words, _, _ in CompletedNames.apps(words) }

    /// Names of contexts.
    static let contextNames = CompletionKind.custom { _, _, _ in
        let file = try? ContextFile.read(ContextFile.path(ProcessInfo.processInfo.environment))
        return file?.contexts.keys.sorted() ?? []
    }
}

enum CompletedNames {
    /// Longer than anybody waits for a Tab.
    static let timeout = Duration.seconds(1)

    /// Blocks. An asynchronous completion would make the library refuse every command line that is parsed synchronously.
    static func apps(_ words: [String]) -> [String] {
        let answer = Mutex<[String]>([])
        let isThere = DispatchSemaphore(value: 0)
        Task.detached {
            let names = await asked(words)
            answer.withLock { $0 = names }
            isThere.signal()
        }
        isThere.wait()
        return answer.withLock { $0 }
    }

    private static func asked(_ words: [String]) async -> [String] {
        // Of the line only what decides which control plane it is; the rest is not complete yet.
        guard let connection = try? ConnectionOptions.parse(connectionWords(words)) else { return [] }
        let names = try? await connection.withClient { client in
            try await client.apps(timeout: timeout).map(\.name.rawValue)
        }
        return names ?? []
    }

    static func connectionWords(_ words: [String]) -> [String] {
        let names = ["--url", "--token", "--context", "--home", "--config"]
        var kept: [String] = []
        for (index, word) in words.enumerated() {
            if names.contains(word), index + 1 < words.count {
                kept += [word, words[index + 1]]
            } else if names.contains(where: { word.hasPrefix($0 + "=") }) {
                kept.append(word)
            }
        }
        return kept
    }
}
