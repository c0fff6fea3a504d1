/// Cuts documents into pages where the text pauses.
struct BookPaginator {
    /// Words of a page at most.
    var maximumWords: Int
    /// A page does not end before so many, where it can be helped.
    var minimumWords: Int { maximumWords * 7 / 15 }
    /// Asks for one of several places to end a page: the page's paragraphs, the number of the first of them that may
    /// begin the next page, and the tail of the page before. Nil: the choice is left to rules.
    var chooseBreak: ((_ paragraphs: [Substring], _ firstChoice: Int, _ before: Substring) throws -> Int?)?

    /// A piece of a document that is not cut further.
    private struct Piece {
        var bytes: Range<Int>
        var words: Int
        /// Whether a page may well begin here: a heading, or a short line that does not end like a sentence.
        var isOpening: Bool
    }

    /// Ranges of the document's text, in order, without white space around them. Together they hold every word.
    func pages(of document: Document) throws -> [Range<Int>] {
        let bytes = Array(document.text.utf8)
        let pieces = pieces(bytes, linesAreBlocks: document.kind == .html)
        var pages: [Range<Int>] = []
        var first = 0
        while first < pieces.count {
            let end = try pageEnd(pieces, from: first, bytes, before: pages.last)
            pages.append(pieces[first].bytes.lowerBound..<pieces[end - 1].bytes.upperBound)
            first = end
        }
        return pages
    }

    /// The number of the piece that begins the next page.
    private func pageEnd(_ pieces: [Piece], from first: Int, _ bytes: [UInt8], before: Range<Int>?) throws -> Int {
        var words = 0
        var choices: [Int] = []
        var index = first
        while index < pieces.count, index == first || words + pieces[index].words <= maximumWords {
            if index > first, words >= minimumWords { choices.append(index) }
            words += pieces[index].words
            index += 1
        }
        // What is left is one page when it is short enough.
        if index == pieces.count { return index }
        choices.append(index)
        if let chooseBreak, choices.count > 1 {
            let shown = pieces[first..<index].map { Substring(decoding: bytes[$0.bytes], as: UTF8.self) }
            let tail = before.map { Substring(decoding: bytes[$0].suffix(200), as: UTF8.self) } ?? ""
            if let chosen = try chooseBreak(shown, choices[0] - first, tail), choices.contains(first + chosen) {
                return first + chosen
            }
        }
        // The last heading begins the next page; without one the page is filled.
        return choices.last { $0 < pieces.count && pieces[$0].isOpening } ?? index
    }

    private func pieces(_ bytes: [UInt8], linesAreBlocks: Bool) -> [Piece] {
        BookText.paragraphs(bytes, linesAreBlocks: linesAreBlocks).flatMap { paragraph -> [Piece] in
            let words = wordCount(bytes, paragraph)
            if words <= maximumWords {
                return [Piece(bytes: paragraph, words: words, isOpening: isOpening(bytes, paragraph, words))]
            }
            return cut(bytes, paragraph)
        }
    }

    private func wordCount(_ bytes: [UInt8], _ range: Range<Int>) -> Int {
        BookText.wordCount(Substring(decoding: bytes[range], as: UTF8.self))
    }

    private func isOpening(_ bytes: [UInt8], _ range: Range<Int>, _ words: Int) -> Bool {
        guard let last = bytes[range].last, let first = bytes[range].first else { return false }
        if first == UInt8(ascii: "#") { return true }
        return words <= 12 && !Array(".!?:;,\"".utf8).contains(last)
    }

    /// A paragraph that is longer than a page: by sentences, and sentences that are longer by words.
    private func cut(_ bytes: [UInt8], _ paragraph: Range<Int>) -> [Piece] {
        BookText.sentences(bytes, in: paragraph).flatMap { sentence -> [Piece] in
            var pieces: [Piece] = []
            var start = sentence.lowerBound
            var words = 0
            var index = start
            while index < sentence.upperBound {
                let isWordEnd =
                    !BookText.isSpace(bytes[index])
                    && (index + 1 == sentence.upperBound || BookText.isSpace(bytes[index + 1]))
                index += 1
                guard isWordEnd else { continue }
                words += 1
                if words == maximumWords || index == sentence.upperBound {
                    pieces.append(Piece(bytes: start..<index, words: words, isOpening: false))
                    words = 0
                    start = (index..<sentence.upperBound).first { !BookText.isSpace(bytes[$0]) } ?? sentence.upperBound
                    index = start
                }
            }
            return pieces
        }
    }
}

extension Substring {
    init(decoding bytes: some Collection<UInt8>, as encoding: UTF8.Type) {
        self = Substring(String(decoding: bytes, as: encoding))
    }
}
