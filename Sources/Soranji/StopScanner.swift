/// Finds the first of some texts in a text that comes in pieces, and holds back what may be the beginning of one.
struct StopScanner {
    private let stops: [[UInt8]]
    /// Bytes that are not handed on yet: a beginning of one of the texts.
    private var pending: [UInt8] = []
    /// Whether one of the texts came; nothing follows then.
    private(set) var isStopped = false

    /// - Parameter texts: empty ones are ignored.
    init(_ texts: [String]) { stops = texts.map { Array($0.utf8) }.filter { !$0.isEmpty } }

    /// Takes the next piece and returns what can be shown.
    ///
    /// A text begins at the beginning of a character, so no character is ever cut. Cost: the piece and what was held back,
    /// times the length of the texts.
    mutating func push(_ piece: String) -> String {
        guard !isStopped else { return "" }
        guard !stops.isEmpty else { return piece }
        pending.append(contentsOf: piece.utf8)
        for start in pending.indices {
            let rest = pending[start...]
            if stops.contains(where: { rest.starts(with: $0) }) {
                isStopped = true
                return take(start)
            }
            if stops.contains(where: { $0.starts(with: rest) }) { return take(start) }
        }
        return take(pending.count)
    }

    /// What was held back when nothing follows.
    mutating func flush() -> String { isStopped ? "" : take(pending.count) }

    private mutating func take(_ count: Int) -> String {
        let text = String(decoding: pending[..<count], as: UTF8.self)
        pending.removeFirst(count)
        return text
    }
}
