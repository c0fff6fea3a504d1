extension TemplateParser {
    // MARK: Nodes

    func node(
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

    mutating func primary(allowsNamespace: Bool) throws(TemplateError) -> TemplateExpression {
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
}
