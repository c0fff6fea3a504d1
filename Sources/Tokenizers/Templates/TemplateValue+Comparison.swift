extension TemplateValue {
    /// Python's `==`. The caller has charged for the weight of both sides.
    func equals(_ other: TemplateValue) -> Bool {
        switch (self, other) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.string(let left), .string(let right)), (.string(let left), .markup(let right)),
            (.markup(let left), .string(let right)), (.markup(let left), .markup(let right)):
            return PythonText.same(left, right)
        case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
            if left === right { return true }
            return left.elements.count == right.elements.count
                && zip(left.elements, right.elements).allSatisfy { $0.equals($1) }
        case (.dictionary(let left), .dictionary(let right)):
            if left === right { return true }
            return left.entries.count == right.entries.count
                && left.entries.allSatisfy { entry in right[entry.key].map { entry.value.equals($0) } ?? false }
        case (.view(let left), .view(let right)):
            if left === right { return true }
            guard left.kind == right.kind, left.kind != .values else { return false }
            guard left.dictionary.entries.count == right.dictionary.entries.count else { return false }
            return left.dictionary.entries.allSatisfy { entry in
                right.dictionary[entry.key].map { left.kind == .keys || entry.value.equals($0) } ?? false
            }
        case (.range(let left), .range(let right)):
            guard left.count == right.count else { return false }
            return left.count == 0 || (left.start == right.start && (left.count == 1 || left.step == right.step))
        case (.iterator(let left), .iterator(let right)): return left === right
        case (.namespace(let left), .namespace(let right)): return left === right
        case (.loop(let left), .loop(let right)): return left === right
        case (.macro(let left), .macro(let right)): return left === right
        case (.cycler(let left), .cycler(let right)): return left === right
        case (.joiner(let left), .joiner(let right)): return left === right
        case (.function(let left), .function(let right)): return left == right
        case (.method(let left), .method(let right)):
            return left.name == right.name && left.receiver.isSame(as: right.receiver)
        default: return Self.compareNumbers(self, other) == 0
        }
    }

    /// Python's `is`, as far as it means something here.
    func isSame(as other: TemplateValue) -> Bool {
        switch (self, other) {
        case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
            return left === right
        case (.dictionary(let left), .dictionary(let right)): return left === right
        case (.undefined(let left), .undefined(let right)): return left === right
        case (.boolean, .boolean), (.integer, .integer), (.float, .float), (.string, .string): return equals(other)
        case (.boolean, _), (_, .boolean), (.float, _), (_, .float), (.markup, _), (_, .markup), (.view, _):
            return false
        default: return equals(other)
        }
    }

    /// -1, 0 or 1; nil when either is no number, or is NaN.
    static func compareNumbers(_ left: TemplateValue, _ right: TemplateValue) -> Int? {
        if let left = left.index, let right = right.index { return left < right ? -1 : left > right ? 1 : 0 }
        guard let leftNumber = left.number, let rightNumber = right.number else { return nil }
        if leftNumber < rightNumber { return -1 }
        if leftNumber > rightNumber { return 1 }
        guard leftNumber == rightNumber else { return nil }
        // Equal as doubles: an integer beyond 2^53 may still differ from its neighbour's double.
        if let index = left.index {
            return Int(exactly: rightNumber).map { index < $0 ? -1 : index > $0 ? 1 : 0 } ?? -1
        }
        if let index = right.index { return Int(exactly: leftNumber).map { $0 < index ? -1 : $0 > index ? 1 : 0 } ?? 1 }
        return 0
    }

    /// Whether both can be ordered and how: -1, 0, 1, or nil for NaN.
    ///
    /// - Throws: when Python has no order between the two types.
    static func order(_ left: TemplateValue, _ right: TemplateValue) throws(TemplateError) -> Int? {
        switch (left, right) {
        case (.undefined(let undefined), _), (_, .undefined(let undefined)):
            throw TemplateError(undefined.message)
        case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
            for (a, b) in zip(left.elements, right.elements) where !a.equals(b) { return try order(a, b) }
            let (a, b) = (left.elements.count, right.elements.count)
            return a < b ? -1 : a > b ? 1 : 0
        default:
            if let a = left.text, let b = right.text { return PythonText.order(a, b) }
            if left.number != nil, right.number != nil { return compareNumbers(left, right) }
            throw TemplateError("cannot order '\(left.typeName)' and '\(right.typeName)'")
        }
    }

    static func isLess(_ left: TemplateValue, _ right: TemplateValue) throws(TemplateError) -> Bool {
        try order(left, right) == -1
    }
}

/// A stable merge sort whose comparison may fail.
///
/// - Complexity: O(n log n) comparisons.
func templateSorted<Element>(
    _ elements: [Element],
    by isLess: (Element, Element) throws(TemplateError) -> Bool
) throws(TemplateError) -> [Element] {
    guard elements.count > 1 else { return elements }
    let middle = elements.count / 2
    let left = try templateSorted(Array(elements[..<middle]), by: isLess)
    let right = try templateSorted(Array(elements[middle...]), by: isLess)
    var merged: [Element] = []
    merged.reserveCapacity(elements.count)
    var (i, j) = (0, 0)
    while i < left.count, j < right.count {
        if try isLess(right[j], left[i]) {
            merged.append(right[j])
            j += 1
        } else {
            merged.append(left[i])
            i += 1
        }
    }
    merged.append(contentsOf: left[i...])
    merged.append(contentsOf: right[j...])
    return merged
}
