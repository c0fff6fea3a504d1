extension TemplateParser {
    // MARK: Nodes

    private func node(
        _ kind: TemplateExpression.Kind,
        at position: TemplatePosition,
        over children: [TemplateExpression] = []
    ) throws(TemplateError) -> TemplateExpression {
        let depth = (children.map(\.depth).max() ?? 0) + 1
        guard depth <= limits.syntaxDepth else {
            throw TemplateError("an expression nested deeper than \(limits.syntaxDepth) levels", at: position)
        }
        return TemplateExpression(kind: kind, position: position, depth: depth)
    }

    // MARK: Tuples and conditionals

    /// One expression, or a tuple when commas follow.
    ///
    /// - Parameters:
    ///   - primariesOnly: names and constants only, as in targets.
    mutating func tupleOrExpression(
        allowsConditional: Bool = true,
        primariesOnly: Bool = false,
        allowsNamespace: Bool = false,
        inParentheses: Bool = false
    ) throws(TemplateError) -> TemplateExpression {
        let position = current.position
        var elements: [TemplateExpression] = []
        var isTuple = false
        while true {
            if !elements.isEmpty { try expect(.comma) }
            if isTupleEnd { break }
            if primariesOnly {
                elements.append(
                    try descend { parser throws(TemplateError) in try parser.primary(allowsNamespace: allowsNamespace) }
                )
            } else {
                elements.append(try expression(allowsConditional: allowsConditional))
            }
            guard isSymbol(.comma) else { break }
            isTuple = true
        }
        if !isTuple {
            if let single = elements.first { return single }
            guard inParentheses else { throw unexpected("an expression") }
        }
        return try node(.tuple(elements), at: position, over: elements)
    }

    private var isTupleEnd: Bool {
        switch current.kind {
        case .variableEnd, .blockEnd, .symbol(.rightParenthesis): true
        default: false
        }
    }

    mutating func expression(allowsConditional: Bool = true) throws(TemplateError) -> TemplateExpression {
        try descend { parser throws(TemplateError) in
            allowsConditional ? try parser.conditional() : try parser.disjunction()
        }
    }

    private mutating func conditional() throws(TemplateError) -> TemplateExpression {
        let position = current.position
        var value = try disjunction()
        while skip(name: "if") {
            let test = try disjunction()
            let otherwise = skip(name: "else") ? try expression() : nil
            value = try node(
                .conditional(test: test, then: value, otherwise: otherwise),
                at: position,
                over: [test, value] + (otherwise.map { [$0] } ?? [])
            )
        }
        return value
    }

    // MARK: Operators, loosest first

    private mutating func disjunction() throws(TemplateError) -> TemplateExpression {
        let position = current.position
        var operands = [try conjunction()]
        while skip(name: "or") { operands.append(try conjunction()) }
        return operands.count == 1 ? operands[0] : try node(.or(operands), at: position, over: operands)
    }

    private mutating func conjunction() throws(TemplateError) -> TemplateExpression {
        let position = current.position
        var operands = [try negation()]
        while skip(name: "and") { operands.append(try negation()) }
        return operands.count == 1 ? operands[0] : try node(.and(operands), at: position, over: operands)
    }

    private mutating func negation() throws(TemplateError) -> TemplateExpression {
        guard isName("not") else { return try comparison() }
        let position = current.position
        advance()
        let operand = try descend { parser throws(TemplateError) in try parser.negation() }
        return try node(.not(operand), at: position, over: [operand])
    }

    private mutating func comparison() throws(TemplateError) -> TemplateExpression {
        let position = current.position
        let first = try sum()
        var rest: [(comparison: TemplateComparison, operand: TemplateExpression)] = []
        while let comparison = comparisonOperator() { rest.append((comparison, try sum())) }
        if rest.isEmpty { return first }
        return try node(.comparison(first, rest), at: position, over: [first] + rest.map(\.operand))
    }

    private mutating func comparisonOperator() -> TemplateComparison? {
        let comparison: TemplateComparison
        switch current.kind {
        case .symbol(.equal): comparison = .equal
        case .symbol(.notEqual): comparison = .notEqual
        case .symbol(.less): comparison = .less
        case .symbol(.lessOrEqual): comparison = .lessOrEqual
        case .symbol(.greater): comparison = .greater
        case .symbol(.greaterOrEqual): comparison = .greaterOrEqual
        case .name("in"): comparison = .contained
        case .name("not") where following.kind == .name("in"):
            advance()
            comparison = .notContained
        default: return nil
        }
        advance()
        return comparison
    }

    private mutating func sum() throws(TemplateError) -> TemplateExpression {
        let position = current.position
        let first = try concatenation()
        var rest: [(operation: TemplateOperator, operand: TemplateExpression)] = []
        while true {
            if skip(.add) {
                rest.append((.add, try concatenation()))
            } else if skip(.subtract) {
                rest.append((.subtract, try concatenation()))
            } else {
                return try arithmetic(first, rest, at: position)
            }
        }
    }

    private func arithmetic(
        _ first: TemplateExpression,
        _ rest: [(operation: TemplateOperator, operand: TemplateExpression)],
        at position: TemplatePosition
    ) throws(TemplateError) -> TemplateExpression {
        if rest.isEmpty { return first }
        return try node(.arithmetic(first, rest), at: position, over: [first] + rest.map(\.operand))
    }

    private mutating func concatenation() throws(TemplateError) -> TemplateExpression {
        let position = current.position
        var operands = [try product()]
        while skip(.tilde) { operands.append(try product()) }
        return operands.count == 1 ? operands[0] : try node(.concatenation(operands), at: position, over: operands)
    }

    private mutating func product() throws(TemplateError) -> TemplateExpression {
        let position = current.position
        let first = try power()
        var rest: [(operation: TemplateOperator, operand: TemplateExpression)] = []
        while true {
            let operation: TemplateOperator
            switch current.kind {
            case .symbol(.multiply): operation = .multiply
            case .symbol(.divide): operation = .divide
            case .symbol(.floorDivide): operation = .floorDivide
            case .symbol(.modulo): operation = .modulo
            default: return try arithmetic(first, rest, at: position)
            }
            advance()
            rest.append((operation, try power()))
        }
    }

    /// Binds to the left, unlike Python's.
    private mutating func power() throws(TemplateError) -> TemplateExpression {
        let position = current.position
        let first = try unary()
        var rest: [(operation: TemplateOperator, operand: TemplateExpression)] = []
        while skip(.power) { rest.append((.power, try unary())) }
        return try arithmetic(first, rest, at: position)
    }

    private mutating func unary(withFilters: Bool = true) throws(TemplateError) -> TemplateExpression {
        let position = current.position
        var value: TemplateExpression
        if skip(.subtract) {
            let operand = try descend { parser throws(TemplateError) in try parser.unary(withFilters: false) }
            value = try node(.negative(operand), at: position, over: [operand])
        } else if skip(.add) {
            let operand = try descend { parser throws(TemplateError) in try parser.unary(withFilters: false) }
            value = try node(.positive(operand), at: position, over: [operand])
        } else {
            value = try primary(allowsNamespace: false)
        }
        value = try postfix(value)
        return withFilters ? try filtersAndTests(value) : value
    }

    // MARK: Primaries

    private mutating func primary(allowsNamespace: Bool) throws(TemplateError) -> TemplateExpression {
        let token = current
        switch token.kind {
        case .name(let name):
            advance()
            return try named(name, at: token.position, allowsNamespace: allowsNamespace)
        case .string(let text):
            advance()
            var whole = text
            while case .string(let more) = current.kind {
                whole += more
                advance()
            }
            return try node(.literal(.string(whole)), at: token.position)
        case .integer(let value):
            advance()
            return try node(.literal(.integer(value)), at: token.position)
        case .float(let value):
            advance()
            return try node(.literal(.float(value)), at: token.position)
        case .symbol(.leftParenthesis):
            advance()
            let inner = try descend { parser throws(TemplateError) in
                try parser.tupleOrExpression(inParentheses: true)
            }
            try expect(.rightParenthesis)
            return inner
        case .symbol(.leftBracket): return try list()
        case .symbol(.leftBrace): return try dictionary()
        default: throw unexpected("an expression")
        }
    }

    private mutating func named(
        _ name: String,
        at position: TemplatePosition,
        allowsNamespace: Bool
    ) throws(TemplateError) -> TemplateExpression {
        switch name {
        case "true", "True": return try node(.literal(.boolean(true)), at: position)
        case "false", "False": return try node(.literal(.boolean(false)), at: position)
        case "none", "None": return try node(.literal(.none), at: position)
        default: break
        }
        for macro in openMacros.indices {
            switch name {
            case "caller": openMacros[macro].caller = true
            case "varargs": openMacros[macro].extraPositional = true
            case "kwargs": openMacros[macro].extraNamed = true
            default: break
            }
        }
        let symbol = symbols.number(of: name)
        if allowsNamespace, skip(.dot) {
            let attribute = try expectName()
            return try node(.namespaceReference(name: symbol, attribute: attribute), at: position)
        }
        return try node(.name(symbol), at: position)
    }

    private mutating func list() throws(TemplateError) -> TemplateExpression {
        let position = current.position
        try expect(.leftBracket)
        var elements: [TemplateExpression] = []
        while !isSymbol(.rightBracket) {
            if !elements.isEmpty { try expect(.comma) }
            if isSymbol(.rightBracket) { break }
            elements.append(try expression())
        }
        advance()
        return try node(.list(elements), at: position, over: elements)
    }

    private mutating func dictionary() throws(TemplateError) -> TemplateExpression {
        let position = current.position
        try expect(.leftBrace)
        var entries: [(key: TemplateExpression, value: TemplateExpression)] = []
        while !isSymbol(.rightBrace) {
            if !entries.isEmpty { try expect(.comma) }
            if isSymbol(.rightBrace) { break }
            let key = try expression()
            try expect(.colon)
            entries.append((key, try expression()))
        }
        advance()
        return try node(.dictionary(entries), at: position, over: entries.map(\.key) + entries.map(\.value))
    }

    // MARK: Postfixes, filters, tests

    private mutating func postfix(_ base: TemplateExpression) throws(TemplateError) -> TemplateExpression {
        var value = base
        while true {
            switch current.kind {
            case .symbol(.dot): value = try attribute(of: value)
            case .symbol(.leftBracket): value = try subscripted(value)
            case .symbol(.leftParenthesis): value = try call(value)
            default: return value
            }
        }
    }

    private mutating func filtersAndTests(_ base: TemplateExpression) throws(TemplateError) -> TemplateExpression {
        var value = base
        while true {
            let position = current.position
            switch current.kind {
            case .symbol(.pipe):
                advance()
                let filter = try filterCall()
                value = try node(.filter(value, filter), at: position, over: [value] + filter.arguments.expressions)
            case .name("is"): value = try test(of: value)
            case .symbol(.leftParenthesis): value = try call(value)
            default: return value
            }
        }
    }

    private mutating func attribute(of base: TemplateExpression) throws(TemplateError) -> TemplateExpression {
        let position = current.position
        advance()
        switch current.kind {
        case .name(let name):
            advance()
            return try node(.attribute(base, name), at: position, over: [base])
        case .integer(let value):
            let index = try node(.literal(.integer(value)), at: current.position)
            advance()
            return try node(.item(base, index), at: position, over: [base])
        default: throw unexpected("the name of an attribute, or an index, after '.'")
        }
    }

    private mutating func subscripted(_ base: TemplateExpression) throws(TemplateError) -> TemplateExpression {
        let position = current.position
        try expect(.leftBracket)
        if let slice = try slice(base, at: position) {
            try expect(.rightBracket)
            return slice
        }
        var indices: [TemplateExpression] = []
        while !isSymbol(.rightBracket) {
            if !indices.isEmpty { try expect(.comma) }
            indices.append(try expression())
            if indices.count == 1, isSymbol(.colon) {
                let slice = try slice(base, start: indices[0], at: position)
                try expect(.rightBracket)
                return slice
            }
        }
        advance()
        let index = indices.count == 1 ? indices[0] : try node(.tuple(indices), at: position, over: indices)
        return try node(.item(base, index), at: position, over: [base, index])
    }

    private mutating func slice(
        _ base: TemplateExpression,
        at position: TemplatePosition
    ) throws(TemplateError) -> TemplateExpression? {
        isSymbol(.colon) ? try slice(base, start: nil, at: position) : nil
    }

    private mutating func slice(
        _ base: TemplateExpression,
        start: TemplateExpression?,
        at position: TemplatePosition
    ) throws(TemplateError) -> TemplateExpression {
        try expect(.colon)
        var slice = TemplateSlice(start: start)
        if !isSymbol(.colon), !isSymbol(.rightBracket) { slice.stop = try expression() }
        if skip(.colon), !isSymbol(.rightBracket) { slice.step = try expression() }
        let parts = [base] + [slice.start, slice.stop, slice.step].compactMap { $0 }
        return try node(.slice(base, slice), at: position, over: parts)
    }

    private mutating func call(_ base: TemplateExpression) throws(TemplateError) -> TemplateExpression {
        let position = current.position
        let arguments = try callArguments()
        return try node(.call(base, arguments), at: position, over: [base] + arguments.expressions)
    }

    private mutating func callArguments() throws(TemplateError) -> TemplateCallArguments {
        try expect(.leftParenthesis)
        var arguments = TemplateCallArguments()
        var isFirst = true
        while !isSymbol(.rightParenthesis) {
            if !isFirst {
                try expect(.comma)
                if isSymbol(.rightParenthesis) { break }
            }
            isFirst = false
            let position = current.position
            let hasUnpacked = arguments.unpackedList != nil || arguments.unpackedDictionary != nil
            if skip(.multiply) {
                guard !hasUnpacked else { throw TemplateError("'*' twice, or after '**'", at: position) }
                arguments.unpackedList = try expression()
            } else if skip(.power) {
                guard arguments.unpackedDictionary == nil else { throw TemplateError("'**' twice", at: position) }
                arguments.unpackedDictionary = try expression()
            } else if case .name(let name) = current.kind, following.kind == .symbol(.assign) {
                guard arguments.unpackedDictionary == nil else {
                    throw TemplateError("the argument '\(name)' follows '**'", at: position)
                }
                guard !arguments.named.contains(where: { $0.name == name }) else {
                    throw TemplateError("the argument '\(name)' is given twice", at: position)
                }
                advance()
                advance()
                arguments.named.append((name, try expression()))
            } else {
                guard !hasUnpacked, arguments.named.isEmpty else {
                    throw TemplateError("a positional argument follows a named or an unpacked one", at: position)
                }
                arguments.positional.append(try expression())
            }
        }
        advance()
        return arguments
    }

    /// Filters joined by `|`, without the value they start from.
    mutating func filterChain() throws(TemplateError) -> [TemplateFilterCall] {
        var filters = [try filterCall()]
        while skip(.pipe) { filters.append(try filterCall()) }
        return filters
    }

    private mutating func dottedName() throws(TemplateError) -> String {
        var name = try expectName()
        while skip(.dot) { name += "." + (try expectName()) }
        return name
    }

    private mutating func filterCall() throws(TemplateError) -> TemplateFilterCall {
        let position = current.position
        let name = try dottedName()
        let arguments = isSymbol(.leftParenthesis) ? try callArguments() : TemplateCallArguments()
        return TemplateFilterCall(name: name, filter: TemplateFilter(name), arguments: arguments, position: position)
    }

    private mutating func test(of base: TemplateExpression) throws(TemplateError) -> TemplateExpression {
        let position = current.position
        advance()
        let isNegated = skip(name: "not")
        let name = try dottedName()
        var arguments = TemplateCallArguments()
        switch current.kind {
        case .symbol(.leftParenthesis): arguments = try callArguments()
        case .name("else"), .name("or"), .name("and"): break
        case .name("is"): throw TemplateError("tests cannot be chained with 'is'; use 'and'", at: current.position)
        case .name, .string, .integer, .float, .symbol(.leftBracket), .symbol(.leftBrace):
            let argument = try descend { parser throws(TemplateError) in
                try parser.postfix(try parser.primary(allowsNamespace: false))
            }
            arguments.positional = [argument]
        default: break
        }
        let call = TemplateTestCall(name: name, test: TemplateTest(name), arguments: arguments)
        let value = try node(.test(base, call), at: position, over: [base] + arguments.expressions)
        return isNegated ? try node(.not(value), at: position, over: [value]) : value
    }
}
