/// Runs one rendering of a template: its variables, its output, and what it has used up.
final class TemplateInterpreter {
    let limits: TemplateLimits
    let symbols: TemplateSymbols
    let date: @Sendable () -> TemplateDate
    /// What the blocks being rendered have written, innermost last.
    private var outputs: [String] = [""]
    private var steps = 0
    private var allocatedBytes = 0
    private var depth = 0
    /// Objects that may refer to one another in cycles or in long chains; emptied one by one at the end.
    private var namespaces: [TemplateNamespace] = []
    private var capturedScopes: [TemplateScope] = []
    private var escapedLoops: [TemplateLoop] = []

    init(symbols: TemplateSymbols, limits: TemplateLimits, date: @escaping @Sendable () -> TemplateDate) {
        self.symbols = symbols
        self.limits = limits
        self.date = date
    }

    deinit {
        for namespace in namespaces { namespace.attributes = [] }
        for scope in capturedScopes { scope.clear() }
        for loop in escapedLoops { loop.clear() }
    }

    func render(_ body: [TemplateStatement], in scope: TemplateScope) throws(TemplateError) -> String {
        _ = try execute(body, in: scope)
        return outputs[0]
    }

    // MARK: Budgets

    func charge(_ amount: Int) throws(TemplateError) {
        let (sum, overflow) = steps.addingReportingOverflow(amount)
        guard !overflow, sum <= limits.steps else {
            throw TemplateError("the template does too much work (over \(limits.steps) steps)")
        }
        steps = sum
    }

    /// Pays for one quick pass over bytes of text.
    func chargePass(_ bytes: Int) throws(TemplateError) { try charge(bytes / 256) }

    /// Pays for looking up the properties of every scalar of a text.
    func chargeScalars(_ bytes: Int) throws(TemplateError) { try charge(bytes / 8) }

    /// Pays for a text before it is made.
    func chargeText(bytes: Int) throws(TemplateError) {
        guard bytes <= limits.outputBytes else { throw TemplateError("a text longer than \(limits.outputBytes) bytes") }
        try chargeMemory(bytes)
        try chargePass(bytes)
    }

    /// Pays for a collection before it is made.
    func chargeElements(_ count: Int) throws(TemplateError) {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<TemplateValue>.stride)
        guard !overflow else { throw TemplateError("a collection of \(count) elements") }
        try chargeMemory(bytes)
        try charge(count)
    }

    private func chargeMemory(_ bytes: Int) throws(TemplateError) {
        let (sum, overflow) = allocatedBytes.addingReportingOverflow(bytes)
        guard !overflow, sum <= limits.allocatedBytes else {
            throw TemplateError("the template makes more than \(limits.allocatedBytes) bytes of values")
        }
        allocatedBytes = sum
    }

    /// Runs `body` one level deeper; the levels bound the stack.
    func descend<Result>(_ body: () throws(TemplateError) -> Result) throws(TemplateError) -> Result {
        depth += 1
        defer { depth -= 1 }
        guard depth <= limits.evaluationDepth else {
            throw TemplateError("the template calls itself too deeply (over \(limits.evaluationDepth) levels)")
        }
        try charge(1)
        return try body()
    }

    // MARK: Making values

    func string(_ text: String) throws(TemplateError) -> TemplateValue {
        try chargeText(bytes: text.utf8.count)
        return .string(text)
    }

    private func items(_ elements: [TemplateValue]) throws(TemplateError) -> TemplateItems {
        try chargeElements(elements.count)
        let items = TemplateItems(elements)
        try checkDepth(items.depth)
        return items
    }

    func list(_ elements: [TemplateValue]) throws(TemplateError) -> TemplateValue { .list(try items(elements)) }
    func tuple(_ elements: [TemplateValue]) throws(TemplateError) -> TemplateValue { .tuple(try items(elements)) }

    func iterator(_ elements: [TemplateValue]) throws(TemplateError) -> TemplateValue {
        try chargeElements(elements.count)
        let iterator = TemplateIterator(elements)
        try checkDepth(iterator.depth)
        return .iterator(iterator)
    }

    func dictionary(_ pairs: [(key: TemplateValue, value: TemplateValue)]) throws(TemplateError) -> TemplateValue {
        try chargeElements(pairs.count * 4)
        for pair in pairs {
            guard try isKey(pair.key) else {
                throw TemplateError("a value of type '\(pair.key.typeName)' cannot be a dictionary's key")
            }
        }
        let dictionary = TemplateDictionary(pairs)
        try checkDepth(dictionary.depth)
        return .dictionary(dictionary)
    }

    func namespace(_ attributes: [(name: String, value: TemplateValue)]) throws(TemplateError) -> TemplateValue {
        try chargeElements(attributes.count + 8)
        let namespace = TemplateNamespace(attributes)
        namespaces.append(namespace)
        return .namespace(namespace)
    }

    func macro(_ definition: TemplateMacroDefinition, in scope: TemplateScope) throws(TemplateError) -> TemplateValue {
        try chargeElements(8)
        if capturedScopes.last !== scope { capturedScopes.append(scope) }
        return .macro(TemplateMacro(definition, scope))
    }

    /// Keeps a finished loop that the template still holds until the end.
    func retire(_ loop: consuming TemplateLoop) {
        var loop = loop
        if !isKnownUniquelyReferenced(&loop) { escapedLoops.append(loop) }
    }

    func checkDepth(_ depth: Int) throws(TemplateError) {
        guard depth <= limits.valueDepth else {
            throw TemplateError("a value nested deeper than \(limits.valueDepth) levels")
        }
    }

    /// Whether a dictionary can have this key; pays for hashing it.
    func isKey(_ value: TemplateValue) throws(TemplateError) -> Bool {
        try charge(value.weight)
        return value.isHashable
    }

    /// `str(value)`, paid for.
    func text(_ value: TemplateValue) throws(TemplateError) -> String {
        if let text = value.text { return text }
        try charge(value.weight)
        let text = try TemplateRepresentation.text(value, limit: limits.outputBytes)
        try chargeText(bytes: text.utf8.count)
        return text
    }

    /// `repr(value)`, paid for.
    func quoted(_ value: TemplateValue) throws(TemplateError) -> String {
        try charge(value.weight)
        let text = try TemplateRepresentation.quoted(value, limit: limits.outputBytes)
        try chargeText(bytes: text.utf8.count)
        return text
    }

    // MARK: Output

    func write(_ text: String) throws(TemplateError) {
        let last = outputs.count - 1
        try chargeText(bytes: text.utf8.count)
        guard outputs[last].utf8.count + text.utf8.count <= limits.outputBytes else {
            throw TemplateError("the output is longer than \(limits.outputBytes) bytes")
        }
        outputs[last] += text
    }

    /// What `body` writes, instead of writing it.
    func captured<Result>(
        _ body: () throws(TemplateError) -> Result
    ) throws(TemplateError) -> (text: String, result: Result) {
        outputs.append("")
        do throws(TemplateError) {
            let result = try body()
            return (outputs.popLast() ?? "", result)
        } catch {
            outputs.removeLast()
            throw error
        }
    }
}
