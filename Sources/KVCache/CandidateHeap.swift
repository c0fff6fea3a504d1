/// A page and its score.
struct Candidate: BitwiseCopyable {
    var score: Float
    var page: Int32

    /// The better score, then the earlier page.
    func isBefore(_ other: Candidate) -> Bool {
        score > other.score || (score == other.score && page < other.page)
    }
}

/// The best of what was offered, in memory that someone else owns: a binary heap with the worst on top.
struct CandidateHeap {
    private let memory: UnsafeMutablePointer<Candidate>
    private let limit: Int
    private(set) var count: Int

    /// - Parameters:
    ///   - memory: room for `limit` candidates, the first `count` of which are a heap already.
    ///   - limit: how many are kept, at least one.
    init(_ memory: UnsafeMutablePointer<Candidate>, limit: Int, count: Int = 0) {
        self.memory = memory
        self.limit = limit
        self.count = count
    }

    var worst: Candidate? { count > 0 ? memory[0] : nil }
    var isFull: Bool { count == limit }

    /// Takes a candidate in while there is room, or instead of the worst when it is better than that.
    mutating func offer(_ candidate: Candidate) {
        if count < limit {
            append(candidate)
        } else if candidate.isBefore(memory[0]) {
            sink(candidate)
        }
    }

    private mutating func append(_ candidate: Candidate) {
        var place = count
        count += 1
        while place > 0, memory[(place - 1) / 2].isBefore(candidate) {
            memory[place] = memory[(place - 1) / 2]
            place = (place - 1) / 2
        }
        memory[place] = candidate
    }

    /// Puts a candidate in the place of the worst.
    private func sink(_ candidate: Candidate) {
        var place = 0
        while true {
            var child = 2 * place + 1
            guard child < count else { break }
            if child + 1 < count, memory[child].isBefore(memory[child + 1]) { child += 1 }
            guard candidate.isBefore(memory[child]) else { break }
            memory[place] = memory[child]
            place = child
        }
        memory[place] = candidate
    }
}

/// Lists are short: no need for more.
func sortAscending(_ list: UnsafeMutablePointer<Int32>, _ count: Int) {
    for index in 1..<max(1, count) {
        let value = list[index]
        var place = index
        while place > 0, list[place - 1] > value {
            list[place] = list[place - 1]
            place -= 1
        }
        list[place] = value
    }
}

/// The best first.
func sortByScore(_ candidates: UnsafeMutableBufferPointer<Candidate>) {
    for index in candidates.indices.dropFirst() {
        let value = candidates[index]
        var place = index
        while place > 0, value.isBefore(candidates[place - 1]) {
            candidates[place] = candidates[place - 1]
            place -= 1
        }
        candidates[place] = value
    }
}
