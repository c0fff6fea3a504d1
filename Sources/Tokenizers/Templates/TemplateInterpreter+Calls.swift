extension TemplateInterpreter {
    func evaluate(
        _ arguments: TemplateCallArguments,
        in scope: TemplateScope
    ) throws(TemplateError) -> TemplateArguments {
        var values = TemplateArguments()
        for argument in arguments.positional { values.positional.append(try evaluate(argument, in: scope)) }
        for argument in arguments.named {
            values.named.append((argument.name, try evaluate(argument.value, in: scope)))
        }
        if let list = arguments.unpackedList {
            values.positional += try elements(of: try evaluate(list, in: scope))
        }
        if let dictionary = arguments.unpackedDictionary {
            guard case .dictionary(let entries) = try evaluate(dictionary, in: scope) else {
                throw TemplateError("what follows '**' must be a dictionary")
            }
            for entry in entries.entries {
                guard let name = entry.key.text else { throw TemplateError("names of arguments must be strings") }
                guard !values.named.contains(where: { PythonText.same($0.name, name) }) else {
                    throw TemplateError("the argument '\(name)' is given twice")
                }
                values.named.append((name, entry.value))
            }
        }
        return values
    }

    func call(_ callee: TemplateValue, _ arguments: TemplateArguments) throws(TemplateError) -> TemplateValue {
        switch callee {
        case .macro(let macro): return try call(macro, arguments)
        case .method(let method): return try call(method, arguments)
        case .function(let function):
            let value = try call(function, arguments)
            try checkDepth(value.depth)
            return value
        case .loop(let loop): return try callLoop(loop, arguments)
        case .joiner(let joiner):
            _ = try arguments.bind("joiner", [])
            defer { joiner.isUsed = true }
            return joiner.isUsed ? joiner.separator : .string("")
        case .undefined(let undefined): throw TemplateError(undefined.message)
        default: throw TemplateError("a value of type '\(callee.typeName)' cannot be called")
        }
    }

    // MARK: Macros

    private func call(_ macro: TemplateMacro, _ arguments: TemplateArguments) throws(TemplateError) -> TemplateValue {
        let definition = macro.definition
        let scope = TemplateScope(parent: macro.scope)
        var named = arguments.named
        func take(_ name: String) -> TemplateValue? {
            named.firstIndex { PythonText.same($0.name, name) }.map { named.remove(at: $0).value }
        }
        for (index, parameter) in definition.parameters.enumerated() {
            if index < arguments.positional.count {
                scope[parameter.symbol] = arguments.positional[index]
            } else if let value = take(parameter.name) {
                scope[parameter.symbol] = value
            } else {
                // A default may refer to itself: then it finds nothing rather than a variable around the macro.
                scope[parameter.symbol] = .undefined(
                    TemplateUndefined("parameter '\(parameter.name)' was not provided")
                )
                if let fallback = parameter.fallback { scope[parameter.symbol] = try evaluate(fallback, in: scope) }
            }
        }
        if definition.usesCaller {
            scope[TemplateSymbols.caller] = take("caller") ?? .undefined(TemplateUndefined("no caller defined"))
        }
        if definition.usesExtraNamed {
            scope[TemplateSymbols.extraNamed] = try dictionary(named.map { (.string($0.name), $0.value) })
        } else if let extra = named.first {
            throw TemplateError("the macro '\(definition.name)' has no argument '\(extra.name)'")
        }
        let extra = arguments.positional.dropFirst(definition.parameters.count)
        if definition.usesExtraPositional {
            scope[TemplateSymbols.extraPositional] = try tuple(Array(extra))
        } else if !extra.isEmpty {
            throw TemplateError("the macro '\(definition.name)' takes at most \(definition.parameters.count) arguments")
        }
        let (text, _) = try captured { () throws(TemplateError) in try execute(definition.body, in: scope) }
        return .string(text)
    }

    // MARK: Functions

    private func call(
        _ function: TemplateFunction,
        _ arguments: TemplateArguments
    ) throws(TemplateError) -> TemplateValue {
        switch function {
        case .range: return try makeRange(arguments)
        case .dict: return try dictionary(try pairs("dict()", arguments))
        case .namespace:
            return try namespace(
                try pairs("namespace()", arguments).map { (pair) throws(TemplateError) in
                    guard let name = pair.key.text else { throw TemplateError("a namespace's names must be strings") }
                    return (name, pair.value)
                }
            )
        case .cycler:
            guard !arguments.positional.isEmpty, arguments.named.isEmpty else {
                throw TemplateError("cycler() needs at least one item")
            }
            return .cycler(TemplateCycler(TemplateItems(arguments.positional)))
        case .joiner: return .joiner(TemplateJoiner(try arguments.bind("joiner()", ["sep"])[0] ?? .string(", ")))
        case .raiseException:
            let message = try arguments.bind("raise_exception()", ["message"], required: 1)[0] ?? .none
            throw TemplateError(try text(message), isRaised: true)
        case .formatNow:
            let format = try arguments.bind("strftime_now()", ["format"], required: 1)[0] ?? .none
            guard let format = format.text else { throw TemplateError("strftime_now() needs a string") }
            try chargeText(bytes: format.utf8.count * 8)
            return try string(date().formatted(format))
        }
    }

    private func makeRange(_ arguments: TemplateArguments) throws(TemplateError) -> TemplateValue {
        guard arguments.named.isEmpty, (1...3).contains(arguments.positional.count) else {
            throw TemplateError("range() takes one to three numbers")
        }
        var numbers: [Int] = []
        for argument in arguments.positional {
            guard let number = argument.index else {
                throw TemplateError("range() needs whole numbers, not '\(argument.typeName)'")
            }
            numbers.append(number)
        }
        let range = TemplateRange(
            start: numbers.count == 1 ? 0 : numbers[0],
            stop: numbers.count == 1 ? numbers[0] : numbers[1],
            step: numbers.count == 3 ? numbers[2] : 1
        )
        guard let range, range.count <= limits.rangeCount else {
            throw TemplateError("range() cannot count in steps of zero, nor over \(limits.rangeCount) numbers")
        }
        return .range(range)
    }

    /// The entries that `dict(…)` builds: from a dictionary or pairs, then from named arguments.
    private func pairs(
        _ function: String,
        _ arguments: TemplateArguments
    ) throws(TemplateError) -> [(key: TemplateValue, value: TemplateValue)] {
        guard arguments.positional.count <= 1 else { throw TemplateError("\(function) takes at most one dictionary") }
        var pairs: [(key: TemplateValue, value: TemplateValue)] = []
        switch arguments.positional.first {
        case nil: break
        case .dictionary(let dictionary)?: pairs = dictionary.entries
        case .undefined(let undefined)?: throw TemplateError(undefined.message)
        case let source?:
            for element in try elements(of: source) {
                let pair = try elements(of: element)
                guard pair.count == 2 else { throw TemplateError("\(function) needs pairs, not \(pair.count) values") }
                pairs.append((pair[0], pair[1]))
            }
        }
        return pairs + arguments.named.map { (.string($0.name), $0.value) }
    }
}
