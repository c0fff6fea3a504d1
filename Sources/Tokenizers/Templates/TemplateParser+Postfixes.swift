extension TemplateParser {
    // MARK: Attributes, items, calls

    mutating func postfix(_ base: TemplateExpression) throws(TemplateError) -> TemplateExpression {
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

    mutating func filtersAndTests(_ base: TemplateExpression) throws(TemplateError) -> TemplateExpression {
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
