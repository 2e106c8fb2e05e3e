// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials

/// A Heroku-style `Procfile`; only its `web` process is run here.
enum Procfile {
    /// The command of the line `web: COMMAND`; nil when there is none.
    static func webCommand(in text: String) -> String? {
        for line in text.split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":"), line[..<colon].trimmed() == "web" else {
                continue
            }
            let command = line[line.index(after: colon)...].trimmed()
            return command.isEmpty ? nil : command
        }
        return nil
    }
}
