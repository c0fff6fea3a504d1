import Experts
import KVCache
import Models

/// A moment of a clip or a recording that an answer attended to.
public struct Moment: Sendable, Equatable {
    /// The file, as it was named.
    public var source: String
    /// Seconds from its beginning.
    public var seconds: ClosedRange<Double>
    /// Whether what was heard, rather than seen, was attended to.
    public var isSound: Bool
    /// Share of the attention that the answer paid to all media.
    public var share: Double

    /// `0:07–0:09`
    public var text: String { "\(Self.clock(seconds.lowerBound))–\(Self.clock(seconds.upperBound))" }

    /// Minutes and seconds, hours where there are any; whole seconds.
    static func clock(_ seconds: Double) -> String {
        let total = Int(max(0, min(seconds, 1e9)).rounded())
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let minutes = total / 60 % 60
        return total >= 3600
            ? "\(total / 3600):\(two(minutes)):\(two(total % 60))" : "\(minutes):\(two(total % 60))"
    }
}

/// Turns attention over positions into moments, as ``Citations`` turns it into passages.
struct Moments {
    let stream: TokenStream
    private static let maximumCount = 3

    func find(shares: [Float]) -> [Moment] {
        guard !stream.placements.isEmpty else { return [] }
        var found: [Moment] = []
        for (span, share) in shares.enumerated() {
            guard let moment = moment(of: span, share) else { continue }
            found.append(moment)
        }
        let total = found.reduce(0) { $0 + $1.share }
        guard total > 0 else { return [] }
        let average = total / Double(found.count)
        var moments: [Moment] = []
        for seed in found.sorted(by: { $0.share > $1.share }) {
            guard moments.count < Self.maximumCount, seed.share > 2 * average || moments.isEmpty else { break }
            func belongs(_ other: Moment) -> Bool {
                // Where a file declares less than it has, a moment may have no length.
                other.source == seed.source && other.isSound == seed.isSound
                    && (other.seconds == seed.seconds || Self.overlap(other.seconds, seed.seconds))
            }
            guard !moments.contains(where: belongs) else { continue }
            var moment = seed
            moment.share = found.filter(belongs).reduce(0) { $0 + $1.share } / total
            moments.append(moment)
        }
        return moments
    }

    /// Whether more than an end is common.
    private static func overlap(_ left: ClosedRange<Double>, _ right: ClosedRange<Double>) -> Bool {
        min(left.upperBound, right.upperBound) > max(left.lowerBound, right.lowerBound)
    }

    /// The times that a span of positions covers, where at least a quarter of its tokens are rows (small frames stand
    /// between their times as text): those of the piece of media with most of them.
    private func moment(of span: Int, _ share: Float) -> Moment? {
        let first = span * AttentionProbe.spanPositions
        guard first < stream.count else { return nil }
        let slots = first..<min(stream.count, first + AttentionProbe.spanPositions)
        var counts: [Int: Int] = [:]
        var times: [Int: ClosedRange<Double>] = [:]
        for slot in slots {
            guard case .media(let index, _, let span?) = stream.origin(of: slot) else { continue }
            counts[index, default: 0] += 1
            let known = times[index] ?? span.seconds
            times[index] =
                min(known.lowerBound, span.seconds.lowerBound)...max(known.upperBound, span.seconds.upperBound)
        }
        guard let (index, count) = counts.max(by: { ($0.value, -$0.key) < ($1.value, -$1.key) }),
            4 * counts.values.reduce(0, +) >= slots.count, count > 0, let seconds = times[index]
        else { return nil }
        let media = stream.media[index]
        return Moment(
            source: media.source,
            seconds: seconds,
            isSound: media.modality == .audio,
            share: Double(share)
        )
    }
}
