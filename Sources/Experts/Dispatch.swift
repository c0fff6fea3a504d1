import Tensor

/// The choices of a chunk, grouped by expert: which rows every expert computes, and where each token finds its results.
///
/// Rows of the same expert are adjacent (`rowRange(of:)`); within an expert they follow the order of the tokens, so a
/// result does not depend on the chunk around it. A choice of ``Router/none`` has no row.
package final class Dispatch {
    package let expertCount: Int
    package let expertsPerToken: Int
    /// `[tokens][k]` chosen experts and their weights.
    package let experts: AlignedBuffer<Int32>
    package let weights: AlignedBuffer<Float>
    /// `[rows]`: the token of each grouped row.
    package let tokenOfRow: AlignedBuffer<Int32>
    /// `[tokens][k]`: the grouped row of each choice.
    package let rowOfChoice: AlignedBuffer<Int32>
    /// Grouped rows: choices that name an expert.
    package private(set) var rowCount = 0
    private let starts: AlignedBuffer<Int32>
    private let cursor: AlignedBuffer<Int32>

    package init(expertCount: Int, expertsPerToken: Int, maximumTokens: Int) throws(AllocationError) {
        self.expertCount = expertCount
        self.expertsPerToken = expertsPerToken
        let choices = expertsPerToken * maximumTokens
        experts = try AlignedBuffer(count: choices)
        weights = try AlignedBuffer(count: choices)
        tokenOfRow = try AlignedBuffer(count: choices)
        rowOfChoice = try AlignedBuffer(count: choices)
        starts = try AlignedBuffer(count: expertCount + 1)
        cursor = try AlignedBuffer(count: expertCount)
    }

    /// Groups the choices of `tokens` tokens. O(tokens * k + experts), no allocation.
    package func group(tokens: Int) {
        let starts = starts.pointer
        let cursor = cursor.pointer
        starts.update(repeating: 0, count: expertCount + 1)
        let choices = tokens * expertsPerToken
        rowCount = 0
        for choice in 0..<choices where experts.pointer[choice] >= 0 {
            starts[Int(experts.pointer[choice]) + 1] += 1
            rowCount += 1
        }
        for expert in 0..<expertCount {
            starts[expert + 1] += starts[expert]
            cursor[expert] = starts[expert]
        }
        for choice in 0..<choices where experts.pointer[choice] >= 0 {
            let expert = Int(experts.pointer[choice])
            let row = cursor[expert]
            cursor[expert] += 1
            tokenOfRow.pointer[Int(row)] = Int32(choice / expertsPerToken)
            rowOfChoice.pointer[choice] = row
        }
    }

    package func rowRange(of expert: Int) -> Range<Int> {
        Int(starts.pointer[expert])..<Int(starts.pointer[expert + 1])
    }
}
