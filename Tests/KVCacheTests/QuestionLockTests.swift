import Tensor
import Testing

@testable import KVCache

struct QuestionLockTests {
    private static let world = RecallWorld(count: 128 * 44, seed: 5)
    private var world: RecallWorld { Self.world }
    /// Not on the grid of rankings.
    private var question: Range<Int> { 128 * 40 + 10..<128 * 40 + 61 }

    private func settings(_ pages: Int = 4) -> RecallSettings {
        RecallSettings(firstPosition: 0, localPositions: 640, retrievedPages: pages)
    }

    @Test(arguments: QuestionLock.allCases)
    func anyCutAndThreadsGiveTheSameBytes(lock: QuestionLock) throws {
        let reference = try world.run(question: question, lock, settings(), chunk: 512, threads: 1).output
        for (chunk, threads) in [(1, 2), (7, 1), (30, 3)] {
            #expect(
                try world.run(question: question, lock, settings(), chunk: chunk, threads: threads).output == reference
            )
        }
        let free = try world.run(.q8, settings())
        #expect(reference != free)
        // Up to the question's end nothing changes.
        let edge = question.upperBound * world.heads * world.width
        #expect(reference[..<edge] == free[..<edge])
    }

    /// Against lists that are made from votes counted here.
    @Test func answersChooseFromWhatTheQuestionChose() throws {
        let settings = settings()
        let positions = (question.lowerBound..<question.upperBound).filter { $0 % 4 == 0 }
        let (_, attention) = try world.run(question: question, .lock, settings, chunk: 512, threads: 2)
        let selection = try #require(attention.selection)
        let votes = try #require(selection.question)
        #expect(votes.endPage == settings.firstLocalPage(position: question.upperBound - 1))
        let last = world.count - 1
        for head in 0..<world.kvHeads {
            let candidates = Array(votes.candidates(head: head))
            // As many lists voted as there are places on the grid, each for four pages.
            #expect(!candidates.isEmpty && candidates.count <= 8)
            #expect(Set(candidates).count == candidates.count)
            #expect(candidates.count <= positions.count * 4)
            let list = selection.pages(head: head, position: last, chunk: last)
            #expect(list[0] == 0 && list.count == 5)
            for page in list.dropFirst() { #expect(candidates.contains(page) || page >= votes.endPage) }
        }
    }

    @Test func halfOfAHybridListIsFixed() throws {
        let (_, attention) = try world.run(question: question, .hybrid, settings(6), chunk: 512, threads: 2)
        let selection = try #require(attention.selection)
        let votes = try #require(selection.question)
        let last = world.count - 1
        for head in 0..<world.kvHeads {
            let list = Array(selection.pages(head: head, position: last, chunk: last))
            #expect(Set(list).count == 7 && list == list.sorted())
            #expect(votes.candidates(head: head).prefix(3).allSatisfy { list.contains($0) })
        }
    }

    @Test func votesAreCounted() throws {
        let settings = settings(3)
        let votes = try QuestionVotes(.lock, positions: 2000..<2004, settings: settings, headCount: 2)
        #expect(votes.endPage == settings.firstLocalPage(position: 2003))
        func vote(_ head: Int, _ pages: [Int32]) { pages.withUnsafeBufferPointer { votes.vote(head: head, $0) } }
        vote(1, [5, 7, 2])
        vote(1, [7, 9, 5])
        vote(1, [4, 9])
        vote(1, [10_000])
        votes.choose(before: 2003, heads: 0..<2)
        #expect(votes.candidates(head: 1).isEmpty)
        votes.choose(before: 2004, heads: 0..<2)
        // 5: 3 + 1, 7: 2 + 3, 2: 1, 9: 2 + 2, 4: 3; of equal ones the earlier page.
        #expect(Array(votes.candidates(head: 1)) == [7, 5, 9, 4, 2])
        #expect(votes.candidates(head: 0).isEmpty)
        let many = try QuestionVotes(.lock, positions: 2000..<2004, settings: settings, headCount: 1)
        for page in stride(from: Int32(9), through: 1, by: -1) {
            withUnsafePointer(to: page) { many.vote(head: 0, UnsafeBufferPointer(start: $0, count: 1)) }
        }
        many.choose(before: 2004, heads: 0..<1)
        #expect(Array(many.candidates(head: 0)) == [1, 2, 3, 4, 5, 6])
    }

    @Test(arguments: [nil, .lock, .hybrid] as [QuestionLock?])
    func namedPagesAreOnListsFromTheQuestionOn(lock: QuestionLock?) throws {
        // Page 0 is on all lists, 38 in the window, 99 not there yet; 7 is named twice, and nine pages are one too many.
        let named = [7, 0, 3, 7, 38, 99, 21, 30, 2, 5, 6, 8, 9]
        func run(_ chunk: Int, _ threads: Int) throws -> (output: [Float], attention: PagedAttention) {
            try world.run(question: question, lock, naming: named, settings(6), chunk: chunk, threads: threads)
        }
        let (output, attention) = try run(512, 1)
        for (chunk, threads) in [(1, 2), (7, 1), (30, 3)] { #expect(try run(chunk, threads).output == output) }
        let selection = try #require(attention.selection)
        for head in 0..<world.kvHeads {
            let last = world.count - 1
            let list = Array(selection.pages(head: head, position: last, chunk: last))
            #expect(list == [0, 2, 3, 5, 7, 21, 30])
        }
        #expect(attention.recallStatistics.namedPages == 6)
        let free = try world.run(.q8, settings(6))
        let edge = (question.lowerBound + 7) / 8 * 8 * world.heads * world.width
        #expect(output[..<edge] == free[..<edge] && output != free)
        attention.endQuestion()
        try attention.beginQuestion(RecallQuestion(positions: question, lock: lock))
        #expect(attention.recallStatistics.namedPages == 6)
    }

    /// Two named pages leave the rest of a list to what is found, best first.
    @Test func namedPagesTakeThePlacesOfTheWorst() throws {
        let last = world.count - 1
        func list(_ named: [Int], _ pages: Int) throws -> [Set<Int32>] {
            let (_, attention) = try world.run(
                question: question,
                nil,
                naming: named,
                settings(pages),
                chunk: 512,
                threads: 2
            )
            let selection = try #require(attention.selection)
            return (0..<world.kvHeads).map { Set(selection.pages(head: $0, position: last, chunk: last)) }
        }
        // The last list's queries are the same in all of them: there is one layer.
        let four = try list([], 4)
        let six = try list([], 6)
        for (head, found) in try list([11, 17], 6).enumerated() {
            #expect(found.count == 7 && found.isSuperset(of: [11, 17]))
            #expect(found.subtracting([11, 17]).isSubset(of: six[head]))
            #expect(found.isSuperset(of: four[head]))
        }
    }

    /// A question before anything is beyond the window, or nothing to find, leaves lists as they are.
    @Test func questionsThatChoseNothingLockNothing() throws {
        let early = 100..<140
        let reference = try world.run(.q8, settings())
        #expect(try world.run(question: early, .lock, settings(), chunk: 512, threads: 2).output == reference)
        #expect(try world.run(question: early, .hybrid, settings(), chunk: 512, threads: 2).output == reference)
        let none = try world.run(.q8, settings(0))
        #expect(try world.run(question: question, .lock, settings(0), chunk: 512, threads: 2).output == none)
    }
}
