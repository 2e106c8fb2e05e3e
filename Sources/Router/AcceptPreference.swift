// SPDX-License-Identifier: Apache-2.0

/// Whether the one who asks would rather read a page than a problem document, RFC 9110 §12.5.1.
enum AcceptPreference {
    /// True when `text/html` is wanted strictly more than JSON; `*/*` alone, as curl says it, gets JSON.
    static func prefersHTML(_ accept: String?) -> Bool {
        guard let accept else { return false }
        var html = Match()
        var json = Match()
        for range in accept.split(separator: ",").prefix(32) {
            let parts = range.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
            guard let type = parts.first else { continue }
            let quality = parts.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
            switch type {
            case "text/html": html.offer(quality, specificity: 3)
            case "application/problem+json", "application/json": json.offer(quality, specificity: 3)
            case "text/*": html.offer(quality, specificity: 2)
            case "application/*": json.offer(quality, specificity: 2)
            case "*/*":
                html.offer(quality, specificity: 1)
                json.offer(quality, specificity: 1)
            default: break
            }
        }
        return html.quality > json.quality
    }

    /// The most specific range decides; among equals the kindest.
    private struct Match {
        var quality = 0.0
        var specificity = 0

        mutating func offer(_ quality: Double, specificity: Int) {
            if specificity > self.specificity {
                self.quality = quality
                self.specificity = specificity
            } else if specificity == self.specificity {
                self.quality = max(self.quality, quality)
            }
        }
    }
}
