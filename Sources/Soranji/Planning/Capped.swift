/// A number that is not negative and stays at `Int.max` where it would overflow.
struct Capped: Sendable, Equatable, Comparable {
    let value: Int

    init(_ value: Int) { self.value = max(0, value) }

    static func + (left: Capped, right: Capped) -> Capped {
        let (sum, overflow) = left.value.addingReportingOverflow(right.value)
        return Capped(overflow ? .max : sum)
    }

    static func * (left: Capped, right: Capped) -> Capped {
        let (product, overflow) = left.value.multipliedReportingOverflow(by: right.value)
        return Capped(overflow ? .max : product)
    }

    static func < (left: Capped, right: Capped) -> Bool { left.value < right.value }
}
