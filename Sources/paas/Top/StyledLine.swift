// SPDX-License-Identifier: Apache-2.0

/// One line of a screen, whose width is known although it has colours.
struct StyledLine {
    private var pieces: [(text: String, tone: Style.Tone)] = []
    /// Columns that it takes.
    private(set) var width = 0

    init() {}

    init(_ text: String, _ tone: Style.Tone = .plain) { append(text, tone) }

    mutating func append(_ text: String, _ tone: Style.Tone = .plain) {
        pieces.append((text, tone))
        width += text.count
    }

    /// Adds a part as a whole, or not at all where it would not fit.
    mutating func append(_ part: StyledLine, ifFits columns: Int) {
        guard width + part.width <= columns else { return }
        pieces += part.pieces
        width += part.width
    }

    /// The line, cut to a width.
    func render(width columns: Int, style: Style) -> String {
        var left = columns
        var result = ""
        for piece in pieces where left > 0 {
            let text = String(piece.text.prefix(left))
            left -= text.count
            result += style.paint(text, piece.tone)
        }
        return result
    }
}
