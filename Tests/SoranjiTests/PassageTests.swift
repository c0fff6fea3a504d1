import Tensor
import Testing

@testable import Soranji

struct PassageTests {
    private let prose = """
        # The lighthouse

        The tower was built in 1877 by J. Smith of Cork. Its lamp, which
        burned colza oil, was seen from "thirty miles." A second lamp followed in 1902.

        - Height: 41 m
        - Keeper: Ada
        """

    private func document(_ text: String, _ kind: Document.Kind = .markdown) -> Document {
        Document(title: "t", text: text, kind: kind, source: "t.md")
    }

    private func range(of part: String, in text: String) -> Range<Int> {
        guard let found = text.firstRange(of: part) else { return 0..<0 }
        let start = text.utf8.distance(from: text.startIndex, to: found.lowerBound)
        return start..<(start + part.utf8.count)
    }

    @Test(arguments: [
        ("1877", "The tower was built in 1877 by J. Smith of Cork.", 3...3),
        ("colza", "Its lamp, which burned colza oil, was seen from \"thirty miles.\"", 3...4),
        ("1902", "A second lamp followed in 1902.", 4...4), ("41", "- Height: 41 m", 6...6),
        ("Ada", "- Keeper: Ada", 7...7), ("lighthouse", "# The lighthouse", 1...1),
        (
            "Cork. Its",
            "The tower was built in 1877 by J. Smith of Cork. Its lamp, which burned colza oil, was seen from "
                + "\"thirty miles.\"", 3...4
        ),
    ])
    func snapsToSentencesAndLines(_ part: String, _ excerpt: String, _ lines: ClosedRange<Int>) throws {
        let passage = try #require(document(prose).passage(at: range(of: part, in: prose)))
        #expect(passage.excerpt == excerpt)
        #expect(passage.lines == lines)
    }

    @Test func cutsLongSentencesAroundTheMiddle() throws {
        let words = (0..<200).map { "word\($0)" }.joined(separator: " ")
        let passage = try #require(document(words).passage(at: range(of: "word100", in: words), maximumLength: 60))
        #expect(passage.excerpt.hasPrefix("…word"))
        #expect(passage.excerpt.hasSuffix("…"))
        #expect(passage.excerpt.contains("word100"))
        #expect(passage.excerpt.count <= 60)
        let first = try #require(document(words).passage(at: 0..<5, maximumLength: 60))
        #expect(first.excerpt.hasPrefix("word0 word1"))
    }

    @Test func knowsIdeographicStopsAndPages() throws {
        let text = "最初の文です。灯台は1877年に建てられた。最後の文です。"
        let pages = Document(title: "t", text: text, kind: .pdf, source: "t.pdf", pageStarts: [0, 21])
        let passage = try #require(pages.passage(at: range(of: "1877", in: text)))
        #expect(passage.excerpt == "灯台は1877年に建てられた。")
        #expect(passage.pages == 2...2)
    }

    @Test func emptyRangesHaveNoPassage() {
        #expect(document(prose).passage(at: 10_000..<20_000) == nil)
        #expect(document(prose).passage(at: 5..<5) == nil)
        #expect(document(" \n ").passage(at: 0..<3) == nil)
    }

    /// Any range of any text gives a passage inside the text, on character boundaries, or none.
    @Test func everyRangeIsSafe() {
        var generator = SplitMix64(state: 11)
        let pieces = ["a", " ", ". ", "\n", "\n\n", "é", "。", "”", "😀", "- ", "1. ", "\"", "word", "\r\n", "#", "!"]
        for _ in 0..<2_000 {
            let count = Int.random(in: 0...80, using: &generator)
            let text = (0..<count).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
            let from = Int.random(in: -5...(text.utf8.count + 5), using: &generator)
            let range = from..<(from + Int.random(in: 0...40, using: &generator))
            let maximum = Int.random(in: 0...50, using: &generator)
            guard let passage = document(text).passage(at: range, maximumLength: maximum) else { continue }
            #expect(passage.bytes.lowerBound >= 0 && passage.bytes.upperBound <= text.utf8.count)
            #expect(!passage.excerpt.contains("\n"))
            #expect(!passage.excerpt.contains("\u{FFFD}"))
        }
    }

    @Test func passagesKnowAllTheirPages() throws {
        let text = "A first page that\ngoes on over the\nend. A second one."
        let pages = Document(title: "t", text: text, kind: .pdf, source: "t.pdf", pageStarts: [0, 18, 35])
        #expect(try #require(pages.passage(at: 0..<3)).pages == 1...3)
        #expect(try #require(pages.passage(at: 42..<46)).pages == 3...3)
        #expect(try #require(Document(title: "", text: text, kind: .text, source: "t").passage(at: 0..<3)).pages == nil)
    }
}
