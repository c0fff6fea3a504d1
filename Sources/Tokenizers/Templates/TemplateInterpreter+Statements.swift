extension TemplateInterpreter {
    /// How a run of statements ended.
    enum Flow {
        case normal, breakLoop, continueLoop
    }

    func execute(_ body: [TemplateStatement], in scope: TemplateScope) throws(TemplateError) -> Flow {
        for statement in body {
            let flow: Flow
            do throws(TemplateError) {
                flow = try descend { () throws(TemplateError) in try execute(statement, in: scope) }
            } catch {
                throw error.located(statement.position)
            }
            if flow != .normal { return flow }
        }
        return .normal
    }

    private func execute(_ statement: TemplateStatement, in scope: TemplateScope) throws(TemplateError) -> Flow {
        switch statement.kind {
        case .text(let text): try write(text)
        case .output(let expression): try write(try text(try evaluate(expression, in: scope)))
        case .conditional(let branches, let otherwise):
            for branch in branches where try evaluate(branch.test, in: scope).isTrue {
                return try execute(branch.body, in: scope)
            }
            return try execute(otherwise, in: scope)
        case .loop(let loop): return try run(loop, in: scope)
        case .set(let target, let expression): try assign(try evaluate(expression, in: scope), to: target, in: scope)
        case .setBlock(let target, let filters, let body):
            let (value, flow) = try filtered(body, filters, in: scope)
            if flow != .normal { return flow }
            try assign(value, to: target, in: scope)
        case .macro(let definition):
            scope[try symbol(definition.name)] = try macro(definition, in: scope)
        case .callBlock(let call, let caller): try execute(call, caller: caller, in: scope)
        case .filterBlock(let filters, let body):
            let (value, flow) = try filtered(body, filters, in: scope)
            if flow != .normal { return flow }
            try write(try text(value))
        case .with(let bindings, let body):
            let inner = TemplateScope(parent: scope)
            for binding in bindings {
                try assign(try evaluate(binding.value, in: scope), to: binding.target, in: inner)
            }
            return try execute(body, in: inner)
        case .scope(let body): return try execute(body, in: TemplateScope(parent: scope))
        case .breakLoop: return .breakLoop
        case .continueLoop: return .continueLoop
        }
        return .normal
    }

    private func symbol(_ name: String) throws(TemplateError) -> Int {
        guard let symbol = symbols.known(name) else {
            throw TemplateError("the name '\(name)' is not in the table of names")
        }
        return symbol
    }

    private func filtered(
        _ body: [TemplateStatement],
        _ filters: [TemplateFilterCall],
        in scope: TemplateScope
    ) throws(TemplateError) -> (value: TemplateValue, flow: Flow) {
        let inner = TemplateScope(parent: scope)
        let (text, flow) = try captured { () throws(TemplateError) in try execute(body, in: inner) }
        var value = TemplateValue.string(text)
        if flow == .normal {
            for filter in filters { value = try apply(filter, to: value, in: inner) }
        }
        return (value, flow)
    }

    private func execute(
        _ call: TemplateExpression,
        caller: TemplateMacroDefinition,
        in scope: TemplateScope
    ) throws(TemplateError) {
        guard case .call(let base, let arguments) = call.kind else {
            throw TemplateError("a call block without a call")
        }
        let callee = try evaluate(base, in: scope)
        var values = try evaluate(arguments, in: scope)
        values.named.append(("caller", try macro(caller, in: scope)))
        try write(try text(try self.call(callee, values)))
    }

    // MARK: Assignment

    func assign(
        _ value: TemplateValue,
        to target: TemplateTarget,
        in scope: TemplateScope
    ) throws(TemplateError) {
        switch target {
        case .name(let number): scope[number] = value
        case .attribute(let number, let name):
            guard case .namespace(let namespace)? = scope[number] else {
                throw TemplateError(
                    "cannot set '\(symbols.names[number]).\(name)': only attributes of a namespace can be set"
                )
            }
            try charge(namespace.attributes.count / 8 + 1)
            namespace[name] = value
        case .tuple(let targets):
            let values = try elements(of: value)
            guard values.count == targets.count else {
                throw TemplateError("cannot unpack \(values.count) values into \(targets.count) names")
            }
            for (target, value) in zip(targets, values) { try assign(value, to: target, in: scope) }
        }
    }

    // MARK: Loops

    private func run(_ statement: TemplateForLoop, in scope: TemplateScope) throws(TemplateError) -> Flow {
        let iterable = try evaluate(statement.iterable, in: scope)
        return try run(statement, over: iterable, in: scope, depth: 0)
    }

    /// - Parameter depth: how many calls of a recursive loop are around this one.
    func run(
        _ statement: TemplateForLoop,
        over iterable: TemplateValue,
        in scope: TemplateScope,
        depth: Int
    ) throws(TemplateError) -> Flow {
        let source: TemplateLoop.Source
        if case .iterator(let iterator) = iterable {
            source = .iterator(iterator)
        } else {
            source = .elements(try elements(of: iterable))
        }
        let loop = TemplateLoop(statement, source, scope: scope, depth: depth, sourceDepth: iterable.depth)
        defer { retire(loop) }
        // As in Jinja, an iteration that was broken off or continued does not count as one for 'else'.
        var hasFinished = false
        while let item = try nextItem(of: loop) {
            loop.advance(to: item)
            let inner = TemplateScope(parent: scope)
            inner[TemplateSymbols.loop] = .loop(loop)
            try assign(item, to: statement.target, in: inner)
            try charge(1)
            let flow = try execute(statement.body, in: inner)
            if flow == .breakLoop { break }
            if flow == .normal { hasFinished = true }
        }
        if hasFinished || statement.otherwise.isEmpty { return .normal }
        return try execute(statement.otherwise, in: TemplateScope(parent: scope))
    }

    private func nextItem(of loop: TemplateLoop) throws(TemplateError) -> TemplateValue? {
        if let item = loop.takePending() { return item }
        return try pull(loop)
    }

    /// The next element that passes the loop's test.
    private func pull(_ loop: TemplateLoop) throws(TemplateError) -> TemplateValue? {
        while let item = loop.pull() {
            guard let test = loop.statement.test else { return item }
            try charge(1)
            let inner = TemplateScope(parent: loop.scope)
            try assign(item, to: loop.statement.target, in: inner)
            if try evaluate(test, in: inner).isTrue { return item }
        }
        return nil
    }

    /// An attribute of `loop`; nil when it has none of that name.
    func attribute(_ name: String, of loop: TemplateLoop) throws(TemplateError) -> TemplateValue? {
        switch name {
        case "index": return .integer(loop.index + 1)
        case "index0": return .integer(loop.index)
        case "first": return .boolean(loop.index == 0)
        case "last": return .boolean(try peek(loop) == nil)
        case "length": return .integer(try count(of: loop))
        case "revindex": return .integer(try count(of: loop) - loop.index)
        case "revindex0": return .integer(try count(of: loop) - loop.index - 1)
        case "depth": return .integer(loop.depth + 1)
        case "depth0": return .integer(loop.depth)
        case "previtem": return loop.previous ?? .undefined(TemplateUndefined("there is no previous item"))
        case "nextitem": return try peek(loop) ?? .undefined(TemplateUndefined("there is no next item"))
        case "cycle", "changed": return .method(TemplateMethod(.loop(loop), name))
        default: return nil
        }
    }

    private func peek(_ loop: TemplateLoop) throws(TemplateError) -> TemplateValue? {
        if let value = loop.peeked { return value }
        guard let value = try pull(loop) else { return nil }
        loop.keep(value)
        return value
    }

    private func count(of loop: TemplateLoop) throws(TemplateError) -> Int {
        if let count = loop.count { return count }
        while let value = try pull(loop) {
            try chargeElements(1)
            loop.keep(value)
        }
        loop.allPulled()
        return loop.count ?? 0
    }

    func callLoopMethod(
        _ name: String,
        of loop: TemplateLoop,
        _ arguments: TemplateArguments
    ) throws(TemplateError) -> TemplateValue {
        guard arguments.named.isEmpty else { throw TemplateError("loop.\(name)() takes no named arguments") }
        let values = arguments.positional
        if name == "cycle" {
            guard !values.isEmpty else { throw TemplateError("loop.cycle() needs at least one value") }
            return values[loop.index % values.count]
        }
        let items = TemplateItems(values)
        try charge(items.weight)
        let isSame = loop.lastChanged.map { TemplateValue.tuple($0).equals(.tuple(items)) } ?? false
        loop.lastChanged = items
        return .boolean(!isSame)
    }

    /// `loop(children)` of a loop marked recursive.
    func callLoop(_ loop: TemplateLoop, _ arguments: TemplateArguments) throws(TemplateError) -> TemplateValue {
        guard loop.statement.isRecursive else {
            throw TemplateError("this loop cannot be called; mark it 'recursive'")
        }
        let iterable = try arguments.bind("loop", ["iterable"], required: 1)[0] ?? .none
        let (text, _) = try captured { () throws(TemplateError) in
            try run(loop.statement, over: iterable, in: loop.scope, depth: loop.depth + 1)
        }
        return .string(text)
    }
}
