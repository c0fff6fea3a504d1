/// A value while a template runs, with the behaviour of its Python counterpart.
///
/// Collections are immutable, as in the sandbox chat templates run in, so sharing one costs a reference. Strings are
/// sequences of Unicode scalars, compared scalar by scalar.
enum TemplateValue {
    case undefined(TemplateUndefined)
    case none
    case boolean(Bool)
    case integer(Int)
    case float(Double)
    case string(String)
    /// A string marked safe: text added to it is HTML-escaped, as `markupsafe` does.
    case markup(String)
    case list(TemplateItems)
    case tuple(TemplateItems)
    case dictionary(TemplateDictionary)
    case view(TemplateDictionaryView)
    case range(TemplateRange)
    case iterator(TemplateIterator)
    case namespace(TemplateNamespace)
    case loop(TemplateLoop)
    case macro(TemplateMacro)
    case method(TemplateMethod)
    case function(TemplateFunction)
    case cycler(TemplateCycler)
    case joiner(TemplateJoiner)
}

/// What a missing variable or attribute yields: empty when printed, an error when used.
final class TemplateUndefined: Sendable {
    let message: String

    init(_ message: String) { self.message = message }
}

/// The elements of a list or a tuple, with what working through them costs.
final class TemplateItems {
    let elements: [TemplateValue]
    /// Levels of collections including this one.
    let depth: Int
    /// Nodes of the tree below, shared ones counted each time (saturating).
    let weight: Int

    init(_ elements: [TemplateValue]) {
        self.elements = elements
        var depth = 0
        var weight = 1
        for element in elements {
            depth = max(depth, element.depth)
            weight = weight.addingReportingOverflow(element.weight).partialValue
            if weight < 0 || weight > TemplateValue.heaviest { weight = TemplateValue.heaviest }
        }
        self.depth = depth + 1
        self.weight = weight
    }
}

/// An insertion-ordered dictionary.
final class TemplateDictionary {
    let entries: [(key: TemplateValue, value: TemplateValue)]
    private let index: [TemplateKey: Int]
    let depth: Int
    let weight: Int

    /// Later entries replace the values of earlier ones with an equal key. Keys must be hashable.
    init(_ pairs: [(key: TemplateValue, value: TemplateValue)]) {
        var entries: [(key: TemplateValue, value: TemplateValue)] = []
        entries.reserveCapacity(pairs.count)
        var index: [TemplateKey: Int] = [:]
        index.reserveCapacity(pairs.count)
        var depth = 0
        var weight = 1
        for pair in pairs {
            if let position = index[TemplateKey(pair.key)] {
                entries[position].value = pair.value
            } else {
                index[TemplateKey(pair.key)] = entries.count
                entries.append(pair)
            }
            depth = max(depth, pair.key.depth, pair.value.depth)
            for part in [pair.key.weight, pair.value.weight] {
                weight = min(TemplateValue.heaviest, weight.addingReportingOverflow(part).partialValue)
                if weight < 0 { weight = TemplateValue.heaviest }
            }
        }
        self.entries = entries
        self.index = index
        self.depth = depth + 1
        self.weight = weight
    }

    subscript(key: TemplateValue) -> TemplateValue? { index[TemplateKey(key)].map { entries[$0].value } }
    subscript(key: String) -> TemplateValue? { self[.string(key)] }
}

/// `keys()`, `values()` or `items()` of a dictionary.
final class TemplateDictionaryView {
    enum Kind: String { case keys, values, items }

    let kind: Kind
    let dictionary: TemplateDictionary

    init(_ kind: Kind, _ dictionary: TemplateDictionary) {
        self.kind = kind
        self.dictionary = dictionary
    }

    var elements: [TemplateValue] {
        switch kind {
        case .keys: dictionary.entries.map(\.key)
        case .values: dictionary.entries.map(\.value)
        case .items: dictionary.entries.map { .tuple(TemplateItems([$0.key, $0.value])) }
        }
    }
}

/// Python's `range`; its ends and length fit, because `range()` bounds them.
struct TemplateRange: Equatable {
    let start: Int
    let stop: Int
    let step: Int
    let count: Int

    /// Nil when the step is zero or the length does not fit.
    init?(start: Int, stop: Int, step: Int) {
        guard step != 0 else { return nil }
        let (distance, overflow) =
            step > 0 ? stop.subtractingReportingOverflow(start) : start.subtractingReportingOverflow(stop)
        guard !overflow, step != .min else { return nil }
        self.start = start
        self.stop = stop
        self.step = step
        count = distance <= 0 ? 0 : (distance - 1) / abs(step) + 1
    }

    subscript(index: Int) -> Int { start + index * step }

    /// Where an index, or one beyond either end, lies; nil when that does not fit.
    func place(_ index: Int) -> Int? {
        let (offset, overflow) = index.multipliedReportingOverflow(by: step)
        let (place, overflow2) = start.addingReportingOverflow(offset)
        return overflow || overflow2 ? nil : place
    }
}

/// What a lazy filter returns: elements that can be walked once.
final class TemplateIterator {
    private let elements: [TemplateValue]
    private var position = 0
    let weight: Int
    let depth: Int

    init(_ elements: [TemplateValue]) {
        self.elements = elements
        let items = TemplateItems(elements)
        weight = items.weight
        depth = items.depth
    }

    func next() -> TemplateValue? {
        guard position < elements.count else { return nil }
        position += 1
        return elements[position - 1]
    }

    func rest() -> [TemplateValue] {
        let rest = Array(elements[position...])
        position = elements.count
        return rest
    }
}

/// A dictionary's key: Python's equality (`1 == 1.0 == true`) and a hash that agrees with it.
struct TemplateKey: Hashable {
    let value: TemplateValue

    init(_ value: TemplateValue) { self.value = value }

    static func == (left: TemplateKey, right: TemplateKey) -> Bool { left.value.equals(right.value) }

    func hash(into hasher: inout Hasher) {
        switch value {
        case .boolean(let value): hasher.combine(value ? 1 : 0)
        case .integer(let value): hasher.combine(value)
        case .float(let value):
            if let whole = Int(exactly: value) { hasher.combine(whole) } else { hasher.combine(value) }
        case .string(var text), .markup(var text):
            text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        case .tuple(let items):
            for element in items.elements { TemplateKey(element).hash(into: &hasher) }
        case .range(let range): hasher.combine(range.count)
        case .iterator(let object): hasher.combine(ObjectIdentifier(object))
        case .namespace(let object): hasher.combine(ObjectIdentifier(object))
        case .loop(let object): hasher.combine(ObjectIdentifier(object))
        case .macro(let object): hasher.combine(ObjectIdentifier(object))
        case .method(let method): hasher.combine(method.name)
        case .cycler(let object): hasher.combine(ObjectIdentifier(object))
        case .joiner(let object): hasher.combine(ObjectIdentifier(object))
        case .function(let function): hasher.combine(function)
        case .undefined, .none, .list, .dictionary, .view: break
        }
    }
}

extension TemplateValue {
    /// Where weights stop being counted: no operation may work through this much.
    static let heaviest = 1 << 40

    var depth: Int {
        switch self {
        case .list(let items), .tuple(let items): items.depth
        case .dictionary(let dictionary): dictionary.depth
        case .view(let view): view.dictionary.depth + 1
        case .iterator(let iterator): iterator.depth
        case .method(let method): method.receiver.depth + 1
        case .cycler(let cycler): cycler.items.depth
        case .joiner(let joiner): joiner.separator.depth + 1
        case .loop(let loop): loop.sourceDepth + 1
        default: 0
        }
    }

    /// Units of work for walking through the whole value once.
    var weight: Int {
        switch self {
        case .string(let text), .markup(let text): 1 + text.utf8.count / 64
        case .list(let items), .tuple(let items): items.weight
        case .dictionary(let dictionary): dictionary.weight
        case .view(let view): view.dictionary.weight
        case .iterator(let iterator): iterator.weight
        default: 1
        }
    }

    /// The text of a string, plain or marked safe.
    var text: String? {
        switch self {
        case .string(let text), .markup(let text): text
        default: nil
        }
    }

    /// The value of an integer or boolean.
    var index: Int? {
        switch self {
        case .integer(let value): value
        case .boolean(let value): value ? 1 : 0
        default: nil
        }
    }

    /// The value of any number.
    var number: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .boolean(let value): value ? 1 : 0
        case .float(let value): value
        default: nil
        }
    }

    var isUndefined: Bool {
        if case .undefined = self { return true }
        return false
    }

    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .boolean(let value): value
        case .integer(let value): value != 0
        case .float(let value): value != 0
        case .string(let text), .markup(let text): !text.isEmpty
        case .list(let items), .tuple(let items): !items.elements.isEmpty
        case .dictionary(let dictionary): !dictionary.entries.isEmpty
        case .view(let view): !view.dictionary.entries.isEmpty
        case .range(let range): range.count > 0
        default: true
        }
    }

    var isHashable: Bool {
        switch self {
        case .list, .dictionary, .view: false
        case .tuple(let items): items.elements.allSatisfy(\.isHashable)
        default: true
        }
    }

    /// Python's name of the type, for messages.
    var typeName: String {
        switch self {
        case .undefined: "Undefined"
        case .none: "NoneType"
        case .boolean: "bool"
        case .integer: "int"
        case .float: "float"
        case .string: "str"
        case .markup: "Markup"
        case .list: "list"
        case .tuple: "tuple"
        case .dictionary: "dict"
        case .view(let view): "dict_\(view.kind.rawValue)"
        case .range: "range"
        case .iterator: "generator"
        case .namespace: "Namespace"
        case .loop: "LoopContext"
        case .macro: "Macro"
        case .method: "method"
        case .function: "function"
        case .cycler: "Cycler"
        case .joiner: "Joiner"
        }
    }
}
