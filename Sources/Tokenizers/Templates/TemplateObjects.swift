/// `namespace(…)`: the one thing that a template can change.
final class TemplateNamespace {
    var attributes: [(name: String, value: TemplateValue)]

    init(_ attributes: [(name: String, value: TemplateValue)]) { self.attributes = attributes }

    subscript(name: String) -> TemplateValue? {
        get { attributes.first { PythonText.same($0.name, name) }?.value }
        set {
            guard let newValue else { return }
            if let index = attributes.firstIndex(where: { PythonText.same($0.name, name) }) {
                attributes[index].value = newValue
            } else {
                attributes.append((name, newValue))
            }
        }
    }
}

/// Variables of one block, by number. Looked up from the innermost scope outwards.
final class TemplateScope {
    private var numbers: [Int] = []
    private var values: [TemplateValue] = []
    let parent: TemplateScope?

    init(parent: TemplateScope?) { self.parent = parent }

    subscript(number: Int) -> TemplateValue? {
        get {
            var scope = self
            while true {
                if let index = scope.numbers.firstIndex(of: number) { return scope.values[index] }
                guard let parent = scope.parent else { return nil }
                scope = parent
            }
        }
        set {
            guard let newValue else { return }
            if let index = numbers.firstIndex(of: number) {
                values[index] = newValue
            } else {
                numbers.append(number)
                values.append(newValue)
            }
        }
    }

    /// Breaks the cycles that macros make with the scopes they were defined in.
    func clear() {
        numbers = []
        values = []
    }
}

/// A macro, or the body of a call block, with the scope it was defined in.
final class TemplateMacro {
    let definition: TemplateMacroDefinition
    let scope: TemplateScope

    init(_ definition: TemplateMacroDefinition, _ scope: TemplateScope) {
        self.definition = definition
        self.scope = scope
    }
}

/// A method of a value, not yet called.
final class TemplateMethod {
    let receiver: TemplateValue
    let name: String

    init(_ receiver: TemplateValue, _ name: String) {
        self.receiver = receiver
        self.name = name
    }
}

/// Functions that every template finds.
enum TemplateFunction: String, CaseIterable {
    case range
    case dict
    case namespace
    case cycler
    case joiner
    case raiseException = "raise_exception"
    case formatNow = "strftime_now"
}

/// `cycler(…)`: `next()` goes round its items.
final class TemplateCycler {
    let items: TemplateItems
    var position = 0

    init(_ items: TemplateItems) { self.items = items }

    var current: TemplateValue { items.elements[position] }
}

/// `joiner(…)`: empty when first called, its separator afterwards.
final class TemplateJoiner {
    let separator: TemplateValue
    var isUsed = false

    init(_ separator: TemplateValue) { self.separator = separator }
}

/// `loop` inside a `for`: pulls its elements one by one, because a loop's test may depend on what its body did.
final class TemplateLoop {
    enum Source {
        /// Elements all known: their number is known without walking.
        case elements([TemplateValue])
        case iterator(TemplateIterator)
    }

    let statement: TemplateForLoop
    /// The scope around the loop; a recursive call runs there.
    let scope: TemplateScope
    let depth: Int
    private let source: Source
    private var position = 0
    /// Elements already pulled and not yet handed out.
    private var pending: [TemplateValue] = []
    private var pendingPosition = 0
    private var knownCount: Int?

    private(set) var index = -1
    private(set) var current: TemplateValue?
    private(set) var previous: TemplateValue?
    var lastChanged: TemplateItems?

    /// Levels of collections that the elements are.
    let sourceDepth: Int

    init(_ statement: TemplateForLoop, _ source: Source, scope: TemplateScope, depth: Int, sourceDepth: Int) {
        self.sourceDepth = sourceDepth
        self.statement = statement
        self.source = source
        self.scope = scope
        self.depth = depth
        if case .elements(let elements) = source, statement.test == nil { knownCount = elements.count }
    }

    /// The next element of the source, before the loop's test.
    func pull() -> TemplateValue? {
        switch source {
        case .elements(let elements):
            guard position < elements.count else { return nil }
            position += 1
            return elements[position - 1]
        case .iterator(let iterator): return iterator.next()
        }
    }

    var peeked: TemplateValue? { pendingPosition < pending.count ? pending[pendingPosition] : nil }

    func keep(_ value: TemplateValue) { pending.append(value) }

    /// Hands out an element.
    func advance(to value: TemplateValue) {
        index += 1
        previous = current
        current = value
    }

    func takePending() -> TemplateValue? {
        guard let value = peeked else { return nil }
        pendingPosition += 1
        if pendingPosition == pending.count {
            pending = []
            pendingPosition = 0
        }
        return value
    }

    /// The number of elements, once everything is pulled.
    var count: Int? { knownCount }

    func allPulled() {
        if knownCount == nil { knownCount = index + 1 + pending.count - pendingPosition }
    }

    /// Lets go of what may lead back here.
    func clear() {
        scope.clear()
        pending = []
        pendingPosition = 0
        current = nil
        previous = nil
        lastChanged = nil
    }
}
