import Foundation
import KVCache
import Tokenizers

/// A passage that an answer attended to.
public struct Citation: Sendable, Equatable {
    /// Which of the conversation's documents.
    public var documentIndex: Int
    public var documentTitle: String
    public var passage: Passage
    /// Share of the attention that the answer's tokens paid to the documents.
    public var share: Double
}

/// Turns attention over positions into passages of documents.
///
/// Spans of 16 tokens that got clearly more attention than the average are the seeds; neighbouring seeds are one passage,
/// which is then widened to whole sentences.
struct Citations {
    let prompt: String
    /// The bytes of the prompt's text that each of its tokens covers.
    let tokenRanges: [Range<Int>]
    let documents: [Document]
    private static let maximumCount = 3
    private static let excerptCharacters = 220

    func find(shares: [Float]) -> [Citation] {
        let places = documentPlaces()
        var found: [(document: Int, bytes: Range<Int>, share: Float)] = []
        var documentShare: Float = 0
        for (span, share) in shares.enumerated() {
            guard let (document, bytes) = place(of: span, places) else { continue }
            documentShare += share
            found.append((document, bytes, share))
        }
        guard documentShare > 0, !found.isEmpty else { return [] }
        let average = documentShare / Float(found.count)
        var citations: [Citation] = []
        var cited: [(document: Int, bytes: Range<Int>)] = []
        for seed in found.sorted(by: { $0.share > $1.share }) {
            guard citations.count < Self.maximumCount, seed.share > 2 * average || citations.isEmpty else { break }
            let document = documents[seed.document]
            guard let passage = document.passage(at: seed.bytes, maximumLength: Self.excerptCharacters),
                !cited.contains(where: { $0.document == seed.document && $0.bytes.overlaps(passage.bytes) })
            else { continue }
            cited.append((seed.document, passage.bytes))
            let within = found.filter { $0.document == seed.document && $0.bytes.overlaps(passage.bytes) }
            citations.append(
                Citation(
                    documentIndex: seed.document,
                    documentTitle: document.title,
                    passage: passage,
                    share: Double(within.reduce(0) { $0 + $1.share } / documentShare)
                )
            )
        }
        // Passages were found by their densest spans; a wider one may have got more.
        return citations.sorted { $0.share > $1.share }
    }

    /// Where each document's text stands in the prompt, in bytes; nil when the template changed it.
    private func documentPlaces() -> [(promptStart: Int, textStart: Int, count: Int)?] {
        let haystack = Array(prompt.utf8)
        var searchStart = 0
        return documents.map { document in
            let text = Prompt.body(of: document)
            let needle = Array(text.utf8)
            guard let start = haystack.firstRange(of: needle, from: searchStart) else { return nil }
            searchStart = start + needle.count
            let textStart = Array(document.text.utf8).firstRange(of: needle, from: 0) ?? 0
            return (start, textStart, needle.count)
        }
    }

    /// The document and its bytes that a span of positions covers; nil for the question and the template's own words.
    private func place(
        of span: Int,
        _ places: [(promptStart: Int, textStart: Int, count: Int)?]
    ) -> (document: Int, bytes: Range<Int>)? {
        let first = span * AttentionProbe.spanPositions
        guard first < tokenRanges.count else { return nil }
        let last = min(tokenRanges.count, first + AttentionProbe.spanPositions) - 1
        let bytes =
            tokenRanges[first].lowerBound..<max(tokenRanges[first].lowerBound, tokenRanges[last].upperBound)
        for (index, place) in places.enumerated() {
            guard let place else { continue }
            let overlap = bytes.clamped(to: place.promptStart..<place.promptStart + place.count)
            // A span counts for the document that holds most of it.
            guard overlap.count * 2 > bytes.count else { continue }
            let offset = place.textStart - place.promptStart
            return (index, overlap.lowerBound + offset..<overlap.upperBound + offset)
        }
        return nil
    }
}

extension [UInt8] {
    /// Offset of the first occurrence of `needle` at or after `start` (Knuth, Morris & Pratt 1977).
    ///
    /// - Complexity: O(n + m), also for periodic texts.
    func firstRange(of needle: [UInt8], from start: Int) -> Int? {
        guard !needle.isEmpty, count - start >= needle.count else { return nil }
        // border[i]: length of the longest proper prefix of needle[...i] that is also its suffix.
        var border = [Int](repeating: 0, count: needle.count)
        var length = 0
        for index in needle.indices.dropFirst() {
            while length > 0, needle[index] != needle[length] { length = border[length - 1] }
            if needle[index] == needle[length] { length += 1 }
            border[index] = length
        }
        length = 0
        for index in start..<count {
            while length > 0, self[index] != needle[length] { length = border[length - 1] }
            if self[index] == needle[length] { length += 1 }
            if length == needle.count { return index - length + 1 }
        }
        return nil
    }
}
