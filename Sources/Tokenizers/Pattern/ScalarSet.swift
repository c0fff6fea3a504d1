/// Simple case variants of scalars.
enum CaseVariants {
    static func of(_ value: UInt32) -> [UInt32] {
        // The two letters whose fold is ASCII without being the upper or lower case of it.
        switch value {
        case 0x53, 0x73, 0x17F: return [0x53, 0x73, 0x17F]
        case 0x4B, 0x6B, 0x212A: return [0x4B, 0x6B, 0x212A]
        default: break
        }
        guard let properties = Unicode.Scalar(value)?.properties else { return [] }
        return [properties.lowercaseMapping, properties.uppercaseMapping, properties.titlecaseMapping].compactMap {
            $0.unicodeScalars.count == 1 ? $0.unicodeScalars.first?.value : nil
        }
    }
}

/// A set of Unicode scalars as regular expressions write them: ranges, general categories, complements, intersections.
///
/// ASCII is answered from a bitmap, the rest from a category mask and sorted ranges.
struct ScalarSet: Sendable, Equatable {
    /// What a class of an expression is made of.
    indirect enum Term: Sendable, Equatable {
        case range(ClosedRange<UInt32>)
        case categories(UInt32)
        case whiteSpace
        case word
        case not(Term)
        /// Members and their case variants.
        case ignoringCase(Term)
        case any([Term])
        case all([Term])

        func contains(_ value: UInt32) -> Bool {
            switch self {
            case .range(let range): range.contains(value)
            case .categories(let mask): mask >> UInt32(UnicodeClasses.classByte(value) & 0x1F) & 1 != 0
            case .whiteSpace: UnicodeClasses.isWhiteSpace(value)
            case .word: UnicodeClasses.isWord(value)
            case .ignoringCase(let term):
                term.contains(value) || CaseVariants.of(value).contains { term.contains($0) }
            case .not(let term): !term.contains(value)
            case .any(let terms): terms.contains { $0.contains(value) }
            case .all(let terms): terms.allSatisfy { $0.contains(value) }
            }
        }
    }

    private var low: UInt64 = 0
    private var high: UInt64 = 0
    private var categories: UInt32 = 0
    private var includesWhiteSpace = false
    private var isComplement = false
    private var ranges: [ClosedRange<UInt32>] = []
    /// Set where the class is not one union (or its complement) of ranges and categories.
    private var general: Term?

    init(_ term: Term) {
        for value in UInt32(0)..<64 where term.contains(value) { low |= 1 << UInt64(value) }
        for value in UInt32(64)..<128 where term.contains(value) { high |= 1 << UInt64(value - 64) }
        var inner = term
        while case .not(let negated) = inner {
            isComplement.toggle()
            inner = negated
        }
        if !flatten(inner) {
            general = term
            ranges = []
        } else {
            ranges = Self.merged(ranges)
        }
    }

    /// Adds a union's parts; false when some part is neither range nor category.
    private mutating func flatten(_ term: Term) -> Bool {
        switch term {
        case .range(let range):
            if range.upperBound >= 0x80 { ranges.append(range) }
        case .categories(let mask):
            categories |= mask
        case .not(.categories(let mask)):
            categories |= UnicodeCategory.all & ~mask
        case .whiteSpace:
            includesWhiteSpace = true
        case .any(let terms):
            for term in terms where !flatten(term) { return false }
        case .all(let terms) where terms.count == 1:
            return flatten(terms[0])
        case .word, .not, .all, .ignoringCase:
            return false
        }
        return true
    }

    private static func merged(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        var result: [ClosedRange<UInt32>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = result.last, range.lowerBound <= last.upperBound {
                result[result.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                result.append(range)
            }
        }
        return result
    }

    @inline(__always)
    func contains(_ value: UInt32) -> Bool {
        if value < 64 { return low >> UInt64(value) & 1 != 0 }
        if value < 128 { return high >> UInt64(value - 64) & 1 != 0 }
        return containsBeyondASCII(value)
    }

    @inline(never)
    private func containsBeyondASCII(_ value: UInt32) -> Bool {
        if let general { return general.contains(value) }
        let classByte = UnicodeClasses.classByte(value)
        if categories >> UInt32(classByte & 0x1F) & 1 != 0 { return !isComplement }
        if includesWhiteSpace, classByte & UnicodeClasses.whiteSpaceBit != 0 { return !isComplement }
        return isInRanges(value) != isComplement
    }

    private func isInRanges(_ value: UInt32) -> Bool {
        // The last range that begins at or below the value.
        var lower = 0
        var upper = ranges.count
        while lower < upper {
            let middle = (lower + upper) / 2
            if ranges[middle].lowerBound <= value { lower = middle + 1 } else { upper = middle }
        }
        return lower > 0 && ranges[lower - 1].contains(value)
    }

    /// Which of the 128 ASCII scalars are members.
    var asciiMembers: (low: UInt64, high: UInt64) { (low, high) }
}
