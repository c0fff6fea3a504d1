/// Text on its way through normalizers and pre-tokenizers, with the bytes of the source that each byte stands for.
struct AlignedText {
    private(set) var bytes: [UInt8]
    /// Offset of the first byte in the source.
    private let base: Int
    /// Source ranges of each byte; empty while the text is a plain slice of the source, or when nobody asks.
    private var starts: [Int] = []
    private var ends: [Int] = []
    private let isTracking: Bool
    private var isSlice = true

    /// A slice of the source.
    ///
    /// - Parameter tracking: keep the source ranges through changes (they cost 16 bytes per byte then).
    init(_ source: UnsafeBufferPointer<UInt8>, range: Range<Int>, tracking: Bool) {
        bytes = Array(source[range])
        base = range.lowerBound
        beginsAtSourceStart = base == 0
        isTracking = tracking
    }

    private init(like text: AlignedText) {
        bytes = []
        bytes.reserveCapacity(text.bytes.count + text.bytes.count / 8 + 16)
        base = text.base
        beginsAtSourceStart = false
        isTracking = text.isTracking
        isSlice = false
    }

    /// Whether the first byte stands for the beginning of the source; known also without tracking.
    private(set) var beginsAtSourceStart: Bool

    /// The bytes of the source that these bytes came from.
    func source(of range: Range<Int>) -> Range<Int> {
        if isSlice { return base + range.lowerBound..<base + range.upperBound }
        guard isTracking, range.upperBound <= starts.count, !range.isEmpty else { return base..<base }
        var lower = starts[range.lowerBound]
        var upper = ends[range.upperBound - 1]
        if lower > upper { (lower, upper) = (upper, lower) }
        return lower..<upper
    }

    /// The text rewritten: `body` appends pieces to the second argument in order.
    func rewritten(_ body: (UnsafeBufferPointer<UInt8>, inout AlignedText) -> Void) -> AlignedText {
        var output = AlignedText(like: self)
        bytes.withUnsafeBufferPointer { body($0, &output) }
        return output
    }

    /// Copies bytes of the text that is being rewritten.
    mutating func copy(_ range: Range<Int>, of text: AlignedText) {
        if bytes.isEmpty, range.lowerBound == 0 { beginsAtSourceStart = text.beginsAtSourceStart }
        bytes.append(contentsOf: text.bytes[range])
        guard isTracking else { return }
        for position in range {
            let source = text.source(of: position..<position + 1)
            starts.append(source.lowerBound)
            ends.append(source.upperBound)
        }
    }

    /// Appends new bytes that stand for `range` of the text that is being rewritten.
    mutating func append(_ new: some Sequence<UInt8>, replacing range: Range<Int>, of text: AlignedText) {
        if bytes.isEmpty, range.lowerBound == 0 { beginsAtSourceStart = text.beginsAtSourceStart }
        let before = bytes.count
        bytes.append(contentsOf: new)
        guard isTracking else { return }
        let source: Range<Int>
        if range.isEmpty {
            // Inserted text covers nothing of the source.
            let place =
                range.lowerBound < text.bytes.count
                ? text.source(of: range.lowerBound..<range.lowerBound + 1).lowerBound
                : text.bytes.isEmpty ? text.base : text.source(of: text.bytes.count - 1..<text.bytes.count).upperBound
            source = place..<place
        } else {
            source = text.source(of: range)
        }
        starts.append(contentsOf: repeatElement(source.lowerBound, count: bytes.count - before))
        ends.append(contentsOf: repeatElement(source.upperBound, count: bytes.count - before))
    }
}
