import Testing

@testable import Tensor

/// Which shards stay, against a list that is searched from end to end.
struct ResidencyTests {
    @Test func theLeastRecentlyUsedGoes() {
        var list = ResidencyList(slotCount: 4)
        let found = [0, 1, 2, 0].enumerated().map { list.use($1, bytes: 10, step: UInt64($0), .recent) }
        #expect(found == [false, false, false, true])
        #expect(list.residentBytes == 30)
        // The last but one: slots of the step at hand stay, whatever the budget.
        let evicted = [(30, 3), (25, 3), (5, 3), (5, 3), (5, 4)].map { list.evict(beyond: $0.0, step: $0.1) }
        #expect(evicted == [nil, 1, 2, nil, 0])
        #expect(list.residentBytes == 0)
        let left = list.evict(beyond: 0, step: 5)
        #expect(left == nil)
        #expect((0..<4).allSatisfy { !list.isResident($0) })
    }

    /// A pass through more than there is room for leaves what was there: the next pass finds it.
    @Test func scansDoNotFlush() {
        var list = ResidencyList(slotCount: 10)
        var hits = 0
        for pass in 0..<3 {
            for slot in 0..<10 {
                let step = UInt64(pass * 10 + slot)
                if list.use(slot, bytes: 1, step: step, .scan) { hits += 1 }
                while list.evict(beyond: 5, step: step) != nil {}
                #expect(list.residentBytes <= 5)
            }
        }
        // By recency there would be none.
        #expect(hits >= 8)
    }

    @Test(arguments: [1, 2, 3])
    func followsTheReference(seed: UInt64) {
        var generator = SplitMix64(state: seed)
        var list = ResidencyList(slotCount: 12)
        // Oldest first.
        var reference: [(slot: Int, bytes: Int, step: UInt64)] = []
        for step in 1...2000 {
            let step = UInt64(step)
            let isScan = generator.next() % 3 == 0
            for _ in 0..<1 + generator.next() % 4 {
                let slot = Int(generator.next() % 12)
                let bytes = 5 + slot
                let index = reference.firstIndex { $0.slot == slot }
                let was = list.use(slot, bytes: bytes, step: step, isScan ? .scan : .recent)
                #expect(was == (index != nil))
                if let index {
                    reference[index].step = step
                    if !isScan { reference.append(reference.remove(at: index)) }
                } else {
                    reference.insert((slot, bytes, step), at: isScan ? 0 : reference.count)
                }
            }
            let budget = Int(generator.next() % 120)
            while true {
                let total = reference.reduce(0) { $0 + $1.bytes }
                #expect(list.residentBytes == total)
                let victim = total > budget ? reference.firstIndex { $0.step != step } : nil
                let got = list.evict(beyond: budget, step: step)
                #expect(got == victim.map { reference[$0].slot })
                guard let victim, got != nil else { break }
                reference.remove(at: victim)
            }
            #expect((0..<12).allSatisfy { slot in list.isResident(slot) == reference.contains { $0.slot == slot } })
        }
    }
}
