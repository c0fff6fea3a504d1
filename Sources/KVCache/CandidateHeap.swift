/// A page, or a block of them, and its score.
struct Candidate: BitwiseCopyable {
    var score: Float
    var page: Int32

    /// The better score, then the earlier page.
    func isBefore(_ other: Candidate) -> Bool {
        score > other.score || (score == other.score && page < other.page)
    }
}

/// A binary heap in memory that someone else owns.
struct CandidateHeap {
    private let memory: UnsafeMutablePointer<Candidate>
    private(set) var count = 0
    private let isBetter: (Candidate, Candidate) -> Bool

    init(_ memory: UnsafeMutablePointer<Candidate>, isBetter: @escaping (Candidate, Candidate) -> Bool) {
        self.memory = memory
        self.isBetter = isBetter
    }

    var top: Candidate? { count > 0 ? memory[0] : nil }

    mutating func append(_ candidate: Candidate) {
        var place = count
        count += 1
        while place > 0, isBetter(candidate, memory[(place - 1) / 2]) {
            memory[place] = memory[(place - 1) / 2]
            place = (place - 1) / 2
        }
        memory[place] = candidate
    }

    /// Takes a candidate in while there are fewer than `limit`, or instead of the top when it is better than that; the
    /// worst is on top.
    mutating func offer(_ candidate: Candidate, limit: Int) {
        if count < limit {
            append(candidate)
        } else if let worst = top, candidate.isBefore(worst) {
            replaceTop(candidate)
        }
    }

    mutating func removeTop() {
        count -= 1
        if count > 0 { sink(memory[count]) }
    }

    mutating func replaceTop(_ candidate: Candidate) { sink(candidate) }

    private mutating func sink(_ candidate: Candidate) {
        var place = 0
        while true {
            var child = 2 * place + 1
            guard child < count else { break }
            if child + 1 < count, isBetter(memory[child + 1], memory[child]) { child += 1 }
            guard isBetter(memory[child], candidate) else { break }
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
