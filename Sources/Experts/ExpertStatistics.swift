/// What kind of input a token came from.
package enum Modality: Int, CaseIterable, Sendable, Codable, BitwiseCopyable {
    case text, audio, video, image

    package var name: String { "\(self)" }
}

/// How often each expert of each layer was chosen, by modality.
package struct ExpertStatistics: Sendable, Equatable {
    package let layerCount: Int
    package let expertCount: Int
    /// `[modality][layer][expert]`
    private var counts: [UInt64]

    package init(layerCount: Int, expertCount: Int) {
        self.layerCount = layerCount
        self.expertCount = expertCount
        counts = Array(repeating: 0, count: Modality.allCases.count * layerCount * expertCount)
    }

    private func index(_ modality: Modality, _ layer: Int, _ expert: Int) -> Int {
        (modality.rawValue * layerCount + layer) * expertCount + expert
    }

    /// Counts a chunk's choices, `[tokens][k]`; ``Router/none`` counts for nothing.
    ///
    /// - Parameter modalities: what each token came from.
    package mutating func record(
        layer: Int,
        modalities: UnsafeBufferPointer<Modality>,
        experts: UnsafeBufferPointer<Int32>
    ) {
        guard !modalities.isEmpty else { return }
        let perToken = experts.count / modalities.count
        for (token, modality) in modalities.enumerated() {
            let first = index(modality, layer, 0)
            for choice in token * perToken..<(token + 1) * perToken where experts[choice] >= 0 {
                counts[first + Int(experts[choice])] += 1
            }
        }
    }

    package subscript(modality: Modality, layer: Int, expert: Int) -> UInt64 {
        get { counts[index(modality, layer, expert)] }
        set { counts[index(modality, layer, expert)] = newValue }
    }

    /// Choices of one expert over all modalities.
    package func count(layer: Int, expert: Int) -> UInt64 {
        Modality.allCases.reduce(0) { $0 + self[$1, layer, expert] }
    }

    package var total: UInt64 { counts.reduce(0, +) }

    package mutating func add(_ other: ExpertStatistics) {
        guard other.counts.count == counts.count else { return }
        for index in counts.indices { counts[index] += other.counts[index] }
    }

    package mutating func clear() {
        for index in counts.indices { counts[index] = 0 }
    }
}
